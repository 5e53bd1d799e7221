"""The models that ship: published architectures as plain torch modules."""
