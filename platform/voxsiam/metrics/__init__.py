"""Overlap and surface distances of label maps.

What is offered to other programs stands in `__init__.pyi`; it is imported when it is used.
"""

import lazy_loader

# Whoever reads a configuration in here does not wait for PyTorch.
__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
