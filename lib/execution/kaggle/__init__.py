"""A study on Kaggle: `build` makes kernels of its runs, `push` starts them, `pull` fetches results.

Nothing here reads credentials; that is the business of Kaggle's own client.
"""

from lib.study.errors import UserError


class KaggleError(UserError):
    """Kaggle, its client or a built kernel is not as it has to be; says what to do."""
