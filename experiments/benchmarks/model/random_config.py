"""The full published configuration of MiniCPM-o 4.5: data for random weights.

The values are those of a full config.json that is public: UbiquitousLearning/mllm,
examples/minicpm_o45/config_minicpm_o45.json.
"""

from __future__ import annotations

from typing import Any

AWQ_GROUP = 128
FULL: dict[str, Any] = {
    "hidden_size": 4096,
    "intermediate_size": 12288,
    "num_hidden_layers": 36,
    "num_attention_heads": 32,
    "num_key_value_heads": 8,
    "head_dim": 128,
    "vocab_size": 151748,
    "max_position_embeddings": 40960,
    "rope_theta": 1000000,
    "rms_norm_eps": 1e-6,
    "tie_word_embeddings": False,
    "hidden_act": "silu",
    "attention_bias": False,
    "bos_token_id": 151643,
    "eos_token_id": 151645,
    "query_num": 64,
    "image_size": 448,
    "drop_vision_last_layer": False,
    "batch_vision_input": True,
    "use_image_id": True,
    "vision_batch_size": 16,
    "slice_config": {"max_slice_nums": 1, "model_type": "minicpmv"},
    "vision_config": {
        "hidden_size": 1152,
        "intermediate_size": 4304,
        "num_attention_heads": 16,
        "num_hidden_layers": 27,
        "image_size": 980,
        "patch_size": 14,
        "model_type": "siglip_vision_model",
    },
    "stream_input": True,
    "audio_tokenizer_sample_rate": 16000,
    "audio_pool_step": 5,
    "audio_chunk_length": 1.0,
    "audio_config": {
        "d_model": 1024,
        "encoder_layers": 24,
        "encoder_attention_heads": 16,
        "encoder_ffn_dim": 4096,
        "num_mel_bins": 80,
        "max_source_positions": 1500,
    },
    "tts_config": {
        "llm_dim": 4096,
        "hidden_size": 768,
        "intermediate_size": 3072,
        "num_attention_heads": 12,
        "num_key_value_heads": 12,
        "num_hidden_layers": 20,
        "max_position_embeddings": 4096,
        "num_audio_tokens": 6562,
        "num_text_tokens": 152064,
        "num_vq": 1,
        "audio_bos_token_id": 151687,
        "text_eos_token_id": 151692,
        "audio_tokenizer_type": "s3tokenizer",
        "attention_type": "full_attention",
        "condition_type": "hidden_text_merge",
        "projector_type": "mlp",
        "normalize_projected_hidden": True,
    },
    "architectures": ["MiniCPMO"],
    "model_type": "minicpmo",
    "version": "4.5",
    "auto_map": {
        "AutoConfig": "configuration_minicpmo.MiniCPMOConfig",
        "AutoModel": "modeling_minicpmo.MiniCPMO",
    },
}

# The published 4-bit checkpoint's values, including the null.
AWQ: dict[str, Any] = {
    "quant_method": "awq",
    "bits": 4,
    "group_size": AWQ_GROUP,
    "version": "gemm",
    "zero_point": True,
    "modules_to_not_convert": None,
}

# Step-Audio 2's flow model, as minicpmo-utils 1.0.6 expects it in flow.yaml.
FLOW = """\
flow: !new:cosyvoice2.flow.flow.CausalMaskedDiffWithXvec
  input_size: 512
  output_size: 80
  spk_embed_dim: 192
  output_type: mel
  vocab_size: 6561
  encoder: !new:cosyvoice2.transformer.upsample_encoder_v2.UpsampleConformerEncoderV2
    {input_size: 512, output_size: 512, input_layer: linear, pre_lookahead_len: 3, num_blocks: 6, num_up_blocks: 4,
     up_stride: 2, up_scale_factor: 2, attention_heads: 8, pos_enc_layer_type: rel_pos_espnet,
     selfattention_layer_type: rel_selfattn, key_bias: true, linear_units: 2048, dropout_rate: 0.1,
     positional_dropout_rate: 0.1, attention_dropout_rate: 0.1, normalize_before: true}
  decoder: !new:cosyvoice2.flow.flow_matching.CausalConditionalCFM
    inference_cfg_rate: 0.7
    estimator: !new:cosyvoice2.flow.decoder_dit.DiT
      {in_channels: 320, out_channels: 80, mlp_ratio: 4.0, depth: 16, num_heads: 8, head_dim: 64, hidden_size: 512}
"""
