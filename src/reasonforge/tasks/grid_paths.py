"""A way through a grid with walls. Every shortest way is right."""

from __future__ import annotations

from collections import deque
from typing import ClassVar

from reasonforge.core.records import Problem, Verdict
from reasonforge.tasks.draws import Draws
from reasonforge.tasks.family import Drawn, Family, Language, Texts, holds, read_letters, unreadable

Cell = tuple[int, int]
"""(row, column), counted from the top left."""

_MOVES: dict[str, Cell] = {"U": (-1, 0), "D": (1, 0), "L": (0, -1), "R": (0, 1)}


class GridPath(Family):
    """Breadth-first search finds one shortest way; the verifier walks the answer and compares its length."""

    name = "grid_path"
    levels = (1, 5)
    kind = "logic"
    description = "A shortest way from S to G through a grid with walls, in moves U, D, L, R; the grid's side is the level + 2."
    form: ClassVar[Texts] = {"en": "the moves, like RRDD,", "zh": "移动序列（例如 RRDD）"}
    _question: ClassVar[Texts] = {
        "en": "Find a shortest way from S to G. # is a wall; the moves are U (up), D (down), L (left) and R (right).\n{grid}",
        "zh": "求一条从 S 到 G 的最短路线。# 表示墙；可用的移动是 U（上）、D（下）、L（左）、R（右）。\n{grid}",
    }

    def draw(self, draws: Draws, level: int, language: Language) -> Drawn:
        """Draw walls, start and goal until there is a way of at least the grid's side."""
        side = level + 2
        while True:
            rows = ["".join("#" if draws.chance(0.3) else "." for _ in range(side)) for _ in range(side)]
            free = [(row, column) for row in range(side) for column in range(side) if rows[row][column] == "."]
            if len(free) < 2:
                continue
            start, goal = draws.shuffled(free)[:2]
            path = _shortest(rows, start, goal)
            if path is not None and len(path) >= side:
                break
        signs = {start: "S", goal: "G"}
        grid = ["".join(signs.get((row, column), rows[row][column]) for column in range(side)) for row in range(side)]
        at, steps = start, [str(start)]
        for move in path:
            at = _moved(at, move)
            steps.append(f"{move} {at}")
        return Drawn(
            question=self._question[language].format(grid="\n".join(grid)),
            content="\n".join(grid),
            answer=path,
            steps=steps,
            meta={"grid": grid},
        )

    def judge(self, problem: Problem, answer: str) -> Verdict:
        """Walk the moves; the way must end at the goal and be as short as the stored one."""
        moves = read_letters(answer).upper()
        if not moves or not set(moves) <= set(_MOVES):
            return unreadable("moves U, D, L, R")
        return holds(moves, _fault(problem.meta["grid"], moves, len(problem.answer)))

    def texts(self) -> str:
        """Return the characters of questions and moves."""
        return "".join(self._question.values()) + "#.SGUDLR"


def _fault(grid: list[str], moves: str, shortest: int) -> str | None:
    at = next((row, line.index("S")) for row, line in enumerate(grid) if "S" in line)
    for number, move in enumerate(moves, 1):
        at = _moved(at, move)
        if not _is_free(grid, at):
            return f"move {number} leaves the grid or meets a wall"
    if grid[at[0]][at[1]] != "G":
        return "does not end at G"
    return None if len(moves) == shortest else f"takes {len(moves)} moves, {shortest} are enough"


def _shortest(rows: list[str], start: Cell, goal: Cell) -> str | None:
    ways, queue = {start: ""}, deque([start])
    while queue and goal not in ways:
        cell = queue.popleft()
        for move in _MOVES:
            other = _moved(cell, move)
            if other not in ways and _is_free(rows, other):
                ways[other] = ways[cell] + move
                queue.append(other)
    return ways.get(goal)


def _moved(cell: Cell, move: str) -> Cell:
    down, right = _MOVES[move]
    return cell[0] + down, cell[1] + right


def _is_free(rows: list[str], cell: Cell) -> bool:
    row, column = cell
    return 0 <= row < len(rows) and 0 <= column < len(rows) and rows[row][column] != "#"
