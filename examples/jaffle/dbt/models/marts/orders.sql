select
    orders.order_id,
    orders.customer_id,
    orders.ordered_on,
    orders.status,
    sum(payments.amount) as amount,
    sum(payments.amount) filter (where payments.method = 'voucher') as voucher_amount
from {{ ref('stg_orders') }} as orders
inner join {{ ref('stg_payments') }} as payments using (order_id)
group by 1, 2, 3, 4
