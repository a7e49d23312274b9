"""What is known of the vectors of one model in a library."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class VectorSet:
    """The vectors that one model made; a library may hold those of several."""

    fingerprint: str  # of the model
    name: str  # by which the model can be opened again; empty where nobody noted it
    count: int
    bytes: int
