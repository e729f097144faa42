"""The platform from Python: what studies found as pandas tables, and scores of any label maps.

What is offered stands in `__init__.pyi`; docs/guide.md shows a session.
"""

import lazy_loader

# The program uses these functions too, and does not wait for what a command needs not.
__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
