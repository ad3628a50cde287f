"""The processor of pictures and text for the tests' own tiny model; see modeling_minicpmo.py."""

import numpy as np
import torch
from transformers import BatchFeature, WhisperFeatureExtractor
from transformers.processing_utils import ProcessorMixin

_PATCH = 14
_QUERIES = 4


class MiniCPMOBatchFeature(BatchFeature):
    def to(self, device):
        def move(value):
            if isinstance(value, list):
                return [move(item) for item in value]
            return value.to(device) if torch.is_tensor(value) else value

        return MiniCPMOBatchFeature({key: move(value) for key, value in self.items()})


class ImageProcessor:
    def get_sliced_grid(self, size, max_slice_nums):
        return None


class MiniCPMOProcessor(ProcessorMixin):
    attributes = ["tokenizer"]
    tokenizer_class = "AutoTokenizer"

    def __init__(self, tokenizer=None, **kwargs):
        super().__init__(tokenizer)
        self.audio_processor = WhisperFeatureExtractor()
        self.image_processor = ImageProcessor()

    def process_image(self, images, max_slice_nums=1):
        pixels, sizes = zip(*[self._patches(image) for image in images], strict=True)
        return MiniCPMOBatchFeature({"pixel_values": [list(pixels)], "tgt_sizes": [torch.stack(sizes)]})

    def _patches(self, image):
        wide = image.convert("RGB").resize((4 * _PATCH, 3 * _PATCH))
        values = torch.from_numpy(np.asarray(wide, dtype=np.float32) / 127.5 - 1).permute(2, 0, 1)
        patches = values.unfold(1, _PATCH, _PATCH).unfold(2, _PATCH, _PATCH)  # 3, h, w, 14, 14
        return patches.permute(0, 3, 1, 2, 4).reshape(3, _PATCH, -1), torch.tensor([3, 4])

    def __call__(
        self,
        text,
        images=None,
        audios=None,
        audio_parts=None,
        max_length=None,
        max_slice_nums=None,
        use_image_id=True,
        return_tensors="pt",
        **kwargs,
    ):
        placeholder = "<image>" + "<unk>" * _QUERIES + "</image>"
        pixels, sizes = [], []
        for image in images[0]:
            patches, size = self._patches(image)
            pixels.append(patches)
            sizes.append(size)
        whole = text[0].replace("<image>./</image>", placeholder)
        ids = torch.tensor([self.tokenizer.encode(whole, add_special_tokens=False)])
        start = self.tokenizer.convert_tokens_to_ids("<image>")
        begins = (ids[0] == start).nonzero().flatten() + 1
        bounds = torch.stack([begins, begins + _QUERIES], dim=1)
        return MiniCPMOBatchFeature(
            {
                "input_ids": ids,
                "pixel_values": [pixels],
                "tgt_sizes": [torch.stack(sizes)] if sizes else [[]],
                "image_bound": [bounds],
            }
        )
