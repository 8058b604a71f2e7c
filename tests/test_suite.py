"""The suite's own promise: tests that share a fixture share a process."""


def test_groups_are_kept(request):
    """A pytest that loses them makes every report and every study of a fixture twice."""
    in_parallel = hasattr(request.config, "workerinput")
    assert not in_parallel or "@" in request.node.nodeid
