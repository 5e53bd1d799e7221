"""onnxruntime's own operators (domain com.microsoft), said in those of the standard."""
