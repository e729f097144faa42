from .evaluation import Evaluation as Evaluation
from .evaluation import evaluate as evaluate
from .opened_study import OpenedStudy as OpenedStudy
from .opened_workspace import OpenedWorkspace as OpenedWorkspace
from .opened_workspace import open_workspace as open_workspace
