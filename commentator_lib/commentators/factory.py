"""Makes the commentator that the settings name."""

from __future__ import annotations

from commentator_lib.commentators.base import Commentator
from commentator_lib.settings import Settings


def make_commentator(settings: Settings) -> Commentator:
    """The commentator that the settings name. CommentatorError for one that this machine cannot have.

    What can be told without loading a model is told here; its weights are loaded by `warm_up`.
    """
    if settings.commentator == "scripted":
        from commentator_lib.commentators.scripted import CostModel, ScriptedCommentator

        cost = CostModel(1.0, 0.15, 4.0, 1.0, 0.5)
        return ScriptedCommentator(cost=cost, sound="tone", seed=settings.seed)
    if settings.commentator == "minicpmo":
        from commentator_lib.commentators.minicpmo.commentator import MiniCPMOCommentator

        return MiniCPMOCommentator(settings)
    if settings.commentator == "vlm":
        from commentator_lib.commentators.vlm.commentator import VLMCommentator

        return VLMCommentator(settings)
    if settings.commentator == "openai":
        from commentator_lib.commentators.openai.commentator import OpenAICommentator

        return OpenAICommentator(settings)
    from commentator_lib.commentators.baseline.commentator import BaselineCommentator

    return BaselineCommentator(seed=settings.seed)
