"""Neural networks: dense ones and TabNet, trained by jax and optax, written as ONNX graphs."""
