"""``@component_instance``: components that a Python module returns, where YAML is not enough."""

from __future__ import annotations

from statebake.model.frozen import Frozen

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from statebake.runtime.component import ComponentLoadContext, StateBackedComponent


class ComponentInstance(Frozen):
    """A function that returns a component, marked as a declaration; calling it calls the function."""

    function: Callable[[ComponentLoadContext], StateBackedComponent]

    def __call__(self, context: ComponentLoadContext) -> StateBackedComponent:
        """Return the component."""
        return self.function(context)

    @property
    def line(self) -> int:
        """The line of the function's ``def``, below its decorators; 1 where nothing tells."""
        import linecache

        function: object = self.function
        while hasattr(function, "__wrapped__"):
            function = function.__wrapped__
        code = getattr(function, "__code__", None)
        if code is None:
            return 1
        below = linecache.getlines(code.co_filename)[code.co_firstlineno - 1 :]
        for number, text in enumerate(below, start=code.co_firstlineno):
            if text.split(maxsplit=1)[:1] in (["def"], ["async"]):
                return number
        return int(code.co_firstlineno)


def component_instance(function: Callable[[ComponentLoadContext], StateBackedComponent]) -> ComponentInstance:
    """Declare the component that ``function`` returns.

    ``function`` is at the top level of a module below the defs dir and takes a ``ComponentLoadContext``::

        @component_instance
        def stations(context: ComponentLoadContext) -> StationsComponent:
            return StationsComponent(region="north")
    """
    return ComponentInstance(function=function)
