"""What runs the networks that make sound: torch, ONNX Runtime in float32 or int8, and the same on a GPU, behind `base`.

`open` is the way in: it chooses (`choose`), writes and checks the files in the user's cache (`store`, `probe`) and
falls back to torch with a remark.
"""
