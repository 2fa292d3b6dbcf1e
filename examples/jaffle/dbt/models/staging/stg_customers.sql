select
    id as customer_id,
    first_name,
    town,
    cast(joined_on as date) as joined_on
from {{ ref('raw_customers') }}
