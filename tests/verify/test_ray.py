"""Grading inside Ray's worker processes. Needs ray (PyPI); skipped without."""

from __future__ import annotations

import os

import pytest

ray = pytest.importorskip("ray", reason="ray is not installed")


def test_tasks_and_actors_of_ray_grade_with_workers_of_their_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(os.environ, "RAY_AUTH_MODE", "disabled")
    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False)
    try:

        @ray.remote
        def statuses() -> list[str]:
            from reasonforge.verify import grade
            from reasonforge.verify.items import GradeItem
            from reasonforge.verify.pool import GradePool

            identity = (r"\sin(2x)", r"\boxed{2\sin x\cos x}")  # goes to a symbolic worker
            with GradePool(workers=1) as pool:
                pooled = pool.grade_many([GradeItem(gold=identity[0], text=identity[1]), GradeItem(gold="7", text=r"\boxed{8}")])
            return [*(verdict.status for verdict in pooled), grade(*identity).status]

        assert ray.get([statuses.remote() for _ in range(2)]) == [["correct", "wrong", "correct"]] * 2
    finally:
        ray.shutdown()
