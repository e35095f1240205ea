"""The judge as the tests of tasks ask it: nothing here runs a program, so no sandbox is ever opened."""

from __future__ import annotations

from reasonforge.tasks.judge import Judge

grade = Judge().grade
