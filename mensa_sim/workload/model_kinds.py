"""The 24 shipped models that stand for the paper's 24 Google edge models, by kind.

The paper says 13 CNNs; the rest of the mix is inferred (Boroumand et al., PACT 2021): 4 LSTMs, 4 transducers and
3 RCNNs. Each model is a published architecture in the style of Google's, which are not public.
"""

from collections.abc import Mapping

MODEL_KINDS: Mapping[str, tuple[str, ...]] = {
    "cnn": (
        *("mobilenet_v1", "mobilenet_v2", "mobilenet_v3_large", "mobilenet_edgetpu", "efficientnet_lite0"),
        *("efficientnet_edgetpu_s", "inception_v1", "resnet50", "ssd_mobilenet_v2", "deeplab_v3_mobilenet_v2"),
        *("unet_mobilenet_v2", "posenet_mobilenet_v1", "blazeface"),
    ),
    "lstm": ("keyboard_cifg", "speech_lstmp", "translation_lstm", "lstm"),
    "transducer": ("rnnt_streaming", "rnnt_small", "rnnt_cifg", "conformer_transducer"),
    "rcnn": ("lrcn", "crnn", "video_activity"),
}

MODELS: tuple[str, ...] = tuple(name for names in MODEL_KINDS.values() for name in names)
"""All 24, kind by kind."""
