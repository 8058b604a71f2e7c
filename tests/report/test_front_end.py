"""Who started a cell: asked in a real kernel; `test_build` looks at what a program executed."""

from lib.report import front_end

SOURCE = "from lib.report import front_end\nprint(front_end.is_watched())"


def test_outside_a_kernel_nobody_watches():
    assert not front_end.is_watched()


def test_who_can_be_asked_watches():
    from jupyter_client.manager import run_kernel

    printed = []

    def note(message):
        if message["msg_type"] == "stream":
            printed.append(message["content"]["text"])

    with run_kernel(kernel_name="python3") as client:
        client.execute_interactive(SOURCE, allow_stdin=True, output_hook=note, timeout=60)
    assert "".join(printed) == "True\n"
