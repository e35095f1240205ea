"""Sudoku on four by four cells, each solvable by cells that have one candidate left; so the solution is the only one."""

from __future__ import annotations

from typing import ClassVar

from reasonforge.core.records import Problem, Verdict
from reasonforge.tasks.draws import Draws
from reasonforge.tasks.family import Drawn, Family, Language, Texts, read_letters, same, unreadable

Grid = list[int]
"""Sixteen cells, row by row; 0 = empty."""

_BASE = (1, 2, 3, 4, 3, 4, 1, 2, 2, 1, 4, 3, 4, 3, 2, 1)


class Sudoku4(Family):
    """The worked solution fills the cells in the order in which they become certain."""

    name = "sudoku4"
    levels = (1, 4)
    kind = "logic"
    description = "Sudoku with rows, columns and boxes of four; the level brings two more empty cells each, four at first."
    form: ClassVar[Texts] = {"en": "the four rows, like 1234 3412 2143 4321,", "zh": "四行数字（例如 1234 3412 2143 4321）"}
    _question: ClassVar[Texts] = {
        "en": "Fill the empty cells (_) so that every row, column and 2x2 box holds 1, 2, 3 and 4.\n{grid}",
        "zh": "填写空格（_），使每行、每列和每个 2x2 宫都含有 1、2、3、4。\n{grid}",
    }

    def draw(self, draws: Draws, level: int, language: Language) -> Drawn:
        """Draw a full grid and empty cells as long as the rest can still be concluded."""
        while True:
            solution = _full_grid(draws)
            puzzle = list(solution)
            for cell in draws.shuffled(range(16)):
                if puzzle.count(0) == 2 + 2 * level:
                    break
                emptied = [0 if other == cell else digit for other, digit in enumerate(puzzle)]
                if len(_conclusions(emptied)) == emptied.count(0):
                    puzzle = emptied
            if puzzle.count(0) == 2 + 2 * level:
                break
        steps = [f"({cell // 4 + 1}, {cell % 4 + 1}) = {digit}" for cell, digit in _conclusions(puzzle)]
        question = self._question[language].format(grid="\n".join(_rows(puzzle)).replace("0", "_"))
        return Drawn(question=question, content=" ".join(_rows(puzzle)), answer=" ".join(_rows(solution)), steps=steps)

    def judge(self, problem: Problem, answer: str) -> Verdict:
        """Compare all sixteen digits, however they are set out."""
        digits = read_letters(answer.replace("[", "").replace("]", ""))
        if len(digits) != 16 or not set(digits) <= set("1234"):
            return unreadable("four rows of the digits 1 to 4")
        return same(problem, " ".join(_rows([int(digit) for digit in digits])))

    def texts(self) -> str:
        """Return the question's characters."""
        return "".join(self._question.values()) + "_"


def _full_grid(draws: Draws) -> Grid:
    """Return a valid grid: digits renamed, rows and columns of a band exchanged, perhaps turned over."""
    names = draws.shuffled((1, 2, 3, 4))
    rows, columns = ([2 * band + line for band in draws.shuffled((0, 1)) for line in draws.shuffled((0, 1))] for _ in range(2))
    cells = [names[_BASE[4 * row + column] - 1] for row in rows for column in columns]
    return [cells[4 * column + row] for row in range(4) for column in range(4)] if draws.chance(0.5) else cells


def _conclusions(puzzle: Grid) -> list[tuple[int, int]]:
    """Return (cell, digit) of every cell that can be concluded because one candidate is left, in that order."""
    grid, found = list(puzzle), []
    while True:
        certain = next(
            ((cell, options.pop()) for cell in range(16) if not grid[cell] and len(options := _candidates(grid, cell)) == 1), None
        )
        if certain is None:
            return found
        grid[certain[0]] = certain[1]
        found.append(certain)


def _candidates(grid: Grid, cell: int) -> set[int]:
    row, column = divmod(cell, 4)
    seen = {grid[4 * row + other] for other in range(4)} | {grid[4 * other + column] for other in range(4)}
    top, left = row // 2 * 2, column // 2 * 2
    return {1, 2, 3, 4} - seen - {grid[4 * (top + down) + left + right] for down in range(2) for right in range(2)}


def _rows(grid: Grid) -> list[str]:
    return ["".join(map(str, grid[4 * row : 4 * row + 4])) for row in range(4)]
