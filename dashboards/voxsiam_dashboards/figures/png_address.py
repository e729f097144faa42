"""A picture as an address that holds it: pages need no file beside them."""

import base64
import io

import numpy as np
from jaxtyping import Float
from matplotlib.image import imsave


def png_address(picture: Float[np.ndarray, "y x 3"]) -> str:
    """Write a picture as a data: address.

    Args:
        picture: Colours, clipped to 0..1.
    """
    stream = io.BytesIO()
    # imsave writes what is between 0 and 1 as it is.
    imsave(stream, picture.clip(0, 1), format="png")
    return f"data:image/png;base64,{base64.b64encode(stream.getvalue()).decode('ascii')}"
