"""Models that others have published: ONNX files with sidecar files, brought into one graph by a small description file."""
