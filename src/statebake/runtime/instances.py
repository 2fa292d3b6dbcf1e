"""``@component_instance``: components that a Python module returns, where YAML is not enough."""

from __future__ import annotations

from statebake.runtime.frozen import Frozen

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
        """The line of the function's ``def``; where there is no source, the line of its first decorator."""
        import inspect

        code = inspect.unwrap(self.function).__code__
        try:
            lines, first = inspect.getsourcelines(code)
        except OSError:
            return code.co_firstlineno
        for number, line in enumerate(lines, start=first):
            if line.split()[:1] in (["def"], ["async"]):
                return number
        return code.co_firstlineno


def component_instance(function: Callable[[ComponentLoadContext], StateBackedComponent]) -> ComponentInstance:
    """Declare the component that ``function`` returns.

    ``function`` is at the top level of a module below the defs dir and takes a ``ComponentLoadContext``::

        @component_instance
        def stations(context: ComponentLoadContext) -> StationsComponent:
            return StationsComponent(region="north")
    """
    return ComponentInstance(function=function)
