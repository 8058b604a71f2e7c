"""Whether somebody sits at the notebook: pictures that move and controls are for people only."""


def is_watched() -> bool:
    """Whether the running cell was started by a person, who can see it and answer.

    JupyterLab, Kaggle's editor, Colab and VS Code let the code that they run ask questions: their
    requests say `allow_stdin`. Those of papermill and nbconvert do not, nor Kaggle's batch runs,
    which are papermill's. To be asked in a cell, not in the callback of a control.

    Source:
        "execute_request" in the messages of Jupyter,
        https://jupyter-client.readthedocs.io/en/stable/messaging.html#execute
    """
    from IPython import get_ipython

    kernel = getattr(get_ipython(), "kernel", None)
    if kernel is None:
        return False
    return bool(kernel.get_parent("shell").get("content", {}).get("allow_stdin"))
