"""Groups of things that belong together, by what links two of them: a union-find whose steps are numpy's."""

import numpy as np
from numpy.typing import NDArray

Indices = NDArray[np.int64]


class Forest:
    """Groups of N things: at first each is one of its own. A group is known by its least member."""

    def __init__(self, count: int) -> None:
        self._parents = np.arange(count)

    def roots(self, things: Indices) -> Indices:
        """Return the groups that these things are in."""
        found = self._parents[things]
        while not np.array_equal(found, above := self._parents[found]):
            found = above
        self._parents[things] = found
        return found

    def link(self, some: Indices, others: Indices) -> None:
        """Put each of `some` into one group with its one of `others`."""
        while True:
            one, other = self.roots(some), self.roots(others)
            apart = one != other
            if not apart.any():
                return
            some, others = some[apart], others[apart]
            # Of several that one root should be under, one wins; the others come again.
            self._parents[np.maximum(one, other)[apart]] = np.minimum(one, other)[apart]

    def groups(self) -> list[Indices]:
        """Return the groups of two and more, the largest first."""
        roots = self.roots(np.arange(len(self._parents)))
        order = np.argsort(roots, kind="stable")
        starts = np.flatnonzero(np.diff(roots[order], prepend=-1))
        several = [group for group in np.split(order, starts[1:]) if len(group) > 1]
        return sorted(several, key=len, reverse=True)
