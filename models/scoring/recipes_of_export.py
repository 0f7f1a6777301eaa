"""What to type so that a model of another program can be scored here."""

from __future__ import annotations

from pathlib import Path

__all__ = ["FREE_EVENTS", "NO_MAPS", "ONE_MATRIX", "sigmoid", "softmax", "take"]

ONE_MATRIX = "With skl2onnx: initial_types=[('features', FloatTensorType([None, N]))] for N features."
NO_MAPS = "With skl2onnx or onnxmltools: options={'zipmap': False}."
FREE_EVENTS = (
    "With PyTorch: torch.onnx.export(..., input_names=['features'], dynamic_axes={'features': {0: 'events'}}); with "
    "skl2onnx and onnxmltools: FloatTensorType([None, N])."
)
_AROUND = """In Python:
  import onnx
  from onnx import TensorProto, helper
  model = onnx.load({path!r})
{steps}
  del model.graph.output[:]
  model.graph.output.append(helper.make_tensor_value_info("signal_score", TensorProto.FLOAT, None))
  if not any(opset.domain in ("", "ai.onnx") for opset in model.opset_import):
      model.opset_import.append(helper.make_opsetid("", 15))
  onnx.save(model, {out!r})"""
_TAKE = """  column = helper.make_tensor("signal_column", TensorProto.INT64, [1], [{column}])
  model.graph.node.append(helper.make_node("Constant", [], ["signal_column"], value=column))
  model.graph.node.append(helper.make_node("Gather", [{name!r}, "signal_column"], ["signal_score"], axis=1))"""
_SOFTMAX = """  column = helper.make_tensor("signal_column", TensorProto.INT64, [1], [1])
  model.graph.node.append(helper.make_node("Constant", [], ["signal_column"], value=column))
  model.graph.node.append(helper.make_node("Softmax", [{name!r}], ["two_probabilities"], axis=1))
  model.graph.node.append(helper.make_node("Gather", ["two_probabilities", "signal_column"], ["signal_score"], axis=1))"""
_SIGMOID = """  model.graph.node.append(helper.make_node("Sigmoid", [{name!r}], ["signal_score"]))"""


def _around(path: str, steps: str) -> str:
    out = str(Path(path).with_name(f"{Path(path).stem}_score.onnx"))
    return _AROUND.format(path=path, out=out, steps=steps)


def take(path: str, name: str, column: int) -> str:
    """Take one column of an output as the score."""
    return _around(path, _TAKE.format(name=name, column=column))


def softmax(path: str, name: str) -> str:
    """End a model of two numbers in the softmax's second one."""
    return _around(path, _SOFTMAX.format(name=name))


def sigmoid(path: str, name: str) -> str:
    """End a model of one number in a sigmoid."""
    return _around(path, _SIGMOID.format(name=name))
