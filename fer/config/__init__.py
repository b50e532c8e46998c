"""The only rooms that know Hydra: where ``conf`` is, checking, composing, building."""
