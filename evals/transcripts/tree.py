"""Session files whose entries name their parent: the path that was gone last, and what was left behind on the way."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

Parents = Mapping[str, str | None]


def roots(order: Sequence[str], parents: Parents) -> list[list[str]]:
    """For each tree, in order, the ids on the path from its root to the entry that was written last.

    An entry whose parent is not there is a root. A parent that is no entry before it (a loop) ends the path.
    """
    top: dict[str, str] = {}
    for name in order:
        parent = parents[name]
        top[name] = top[parent] if parent is not None and parent in top and parent != name else name
    last = {top[name]: name for name in order}
    return [_path(last[root], root, parents) for root in dict.fromkeys(top.values())]


def _path(leaf: str, root: str, parents: Parents) -> list[str]:
    path = [leaf]
    while path[-1] != root and len(path) <= len(parents):
        path.append(str(parents[path[-1]]))
    return path[::-1]
