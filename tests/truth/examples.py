"""A made example of each format. Their fields are those of the published files; their words are made up."""

from __future__ import annotations

WEBVTT = """WEBVTT

00:00:01.000 --> 00:00:03.500
<v Commentator>Player 9 takes the kick-off,
and passes to player 4.

second
00:00:04.000 --> 00:00:06.250 align:start position:10%
Fish &amp; chips &lt;for&gt; two.

01:00:00.000 --> 01:00:02.000
“Tooor!” ⚽ Ein Treffer.
"""

SRT = """1
00:00:01,000 --> 00:00:03,500
Player 9 takes the kick-off,
and passes to player 4.

2
01:00:00,000 --> 01:00:02,000
“Tooor!” ⚽ Ein Treffer.
"""

LIVESPORTS_CSV = """video_id,url,event_id,begin,end,event_title,event_type,video,class,event_asr_text
match_a,https://example.org/a,14,31.83,65.887,A long attack,attack,a.mp4,ball,"Player 9, and ""what a run"" it is."
match_b,https://example.org/b,2,3.5,9,Before the start,other,b.mp4,football,They walk in.
match_a,https://example.org/a,15,60.1,70.0,The shot,shot,a.mp4,football,
"""

LIVESPORTS_JSONL = """{"video_id": "match_a", "event_id": 14, "begin": 31.83, "end": 65.5, "pred": "He.  \\n\\nAnd?"}
{"video_id": "match_b", "event_id": 2, "begin": 1.6680000000000001, "end": 9.0, "pred": "They walk in."}
{"video_id": "match_a", "event_id": 15, "begin": 60.1, "end": 70.0, "pred": "A shot \\u2013 wide."}
"""

TEXT_STREAM = """{"type": "text_stream", "text_stream": [[16.8, 16.9, "all"], [16.9, 17.25, "over"]]}
{"type": "text_stream", "text_stream": [[2.0, 2.4, "again"]]}
"""

CONVERSATIONS = """[{"role": "user", "content": [{"type": "video", "video": "a.mp4", "video_start": 16.8}, \
{"type": "text", "text": "Comment.", "title": "A match"}]}, {"role": "assistant", "content": [{"type": "text_stream", \
"text_stream": [[16.8, 16.9, "all"], [16.9, 17.25, "over"]]}]}]
[{"role": "user", "content": [{"type": "video", "video": "b.mp4", "video_start": 2.0, "video_end": 2.4}]}, \
{"role": "assistant", "content": [{"type": "text_stream", "text_stream": [[2.0, 2.4, "again"]]}]}]
[0, 279]
"""

LABELS_CAPTION = """{
    "UrlLocal": "league/2000-2001/a match",
    "gameScore": "1 - 0",
    "annotations": [
        {
            "gameTime": "1 - 00:31",
            "label": "comments",
            "position": "31500",
            "visibility": true,
            "important": false,
            "anonymized": "[PLAYER] ([TEAM]) is booked.",
            "description": "Player 9 is booked."
        },
        {
            "gameTime": "2 - 46:02",
            "label": "soccer-ball",
            "position": "2762000",
            "visibility": true,
            "important": true,
            "anonymized": "A goal by [PLAYER].",
            "description": "A goal by player 4."
        }
    ]
}
"""

DENSE_CAPTIONS = """{
    "UrlLocal": "league/2000-2001/a match",
    "predictions": [
        {
            "gameTime": "1 - 0:31",
            "label": "comments",
            "position": "31500",
            "half": "1",
            "confidence": "0.006630070507526398",
            "comment": "[PLAYER] ([TEAM]) is booked – again."
        },
        {
            "gameTime": "2 - 46:02",
            "label": "comments",
            "position": "2762000",
            "half": "2",
            "confidence": "0.9",
            "comment": "A goal by [PLAYER]."
        }
    ]
}"""

LABELS_V2 = """{
    "UrlLocal": "league/2000-2001/a match",
    "gameHomeTeam": "Whiteharrow Town",
    "gameAwayTeam": "Eastmere",
    "gameScore": "1 - 0",
    "gameDate": "01/01/2000 - 15:00",
    "annotations": [
        {"gameTime": "1 - 00:00", "label": "Kick-off", "position": "412", "team": "home", "visibility": "visible"},
        {"gameTime": "1 - 12:07", "label": "Throw-in", "position": "727404", "team": "away", "visibility": "not shown"},
        {"gameTime": "2 - 01:00", "label": "Somersault", "position": "60000", "team": "away", "visibility": "visible"}
    ]
}
"""

SPOTTING = """{
    "UrlLocal": "league/2000-2001/a match",
    "predictions": [
        {
            "gameTime": "1 - 0:00",
            "label": "Kick-off",
            "position": "412",
            "half": "1",
            "confidence": "0.006630070507526398"
        },
        {
            "gameTime": "2 - 1:00",
            "label": "Somersault",
            "position": "60000",
            "half": "2",
            "confidence": "0.5"
        }
    ]
}"""

ECHOES = """{
    "segments": {
        "0": [
            0.0,
            3.0,
            "Und los geht's, Nummer 9 am Ball."
        ],
        "1": [
            3.0,
            8.240000000000002,
            " ¡Qué  pase!"
        ]
    }
}"""

OVO = """[
 {"id": 0, "task": "EPM", "video": "made/a.mp4", "realtime": 215, "question": "Who waved?", "answer": "player 9",
  "options": ["player 4", "player 9"], "gt": 1},
 {"id": 1, "task": "CRR", "video": "made/a.mp4", "question": "What does player 9 do next?", "answer": "A pass.",
  "ask_time": 297, "clue_time": 308, "test_info": [{"realtime": 297, "type": 0}, {"realtime": 310, "type": 1}]},
 {"id": 2, "task": "SSR", "video": "made/b.mp4", "tutorial": "TieAShoe", "all_steps": ["cross the laces", "pull"],
  "start_time": [25, 31], "end_time": [30, 49.5], "test_info": [{"realtime": 27, "step": "pull", "type": 0}]},
 {"id": 3, "task": "REC", "video": "made/c.mp4", "activity": "jumping", "start_times": [6, 20], "end_times": [8, 21],
  "test_info": [{"realtime": 17, "count": 1}]}
]
"""

PROACTIVE = """[
    {
        "time": "[0:00:00 - 0:00:30]",
        "questions": [
            {
                "task_type": "Proactive Output",
                "question": "When the scoreboard shows 3 points, output \\"3\\".",
                "time_stamp": "00:00:20",
                "ground_truth_time_stamp": "00:00:29",
                "ground_truth_output": "3",
                "required_ability": "working memory"
            }
        ],
        "video_categories": "basketball",
        "video_path": "./videos/made_17.mp4"
    }
]
"""

OMNISTAR = """clips/match_a.mp4
Timestamp: 00:00:02 Caption: The players walk out.
Timestamp: 00:01:09 Caption: Player 9 takes the kick-off.
clips/match_b.mp4
Timestamp: 01:00:00 Caption: It rains: nobody plays.
"""

OMNISTAR_RESULT = """{"video_id": "match_a", "result": [["00:00:02", "Here they are."], ["00:01:09", "Off – now."]]}
{"video_id": "match_b", "result": [["01:00:00", "It rains."]]}
"""

OMNI_DUPLEX = """[
  {
    "sentence": "Player 9 has the ball.",
    "start": 4.2,
    "end": 5.1
  },
  {
    "sentence": "¡Gol!",
    "start": 9.0,
    "end": 9.875
  }
]
"""

OMNI_DUPLEX_POINTS = (
    '[{"text": "Player 9 has the ball.", "current_time": 4.2}, {"text": "Goal!", "current_time": 9}]\n'
)

MATCH = """{
 "format_version": 2,
 "clip": {"file": "match.mp4", "sha256": "0"},
 "duration_s": 30.0,
 "events": [
  {"kind": "shot", "t_s": 4.0, "visible_s": 1.0, "team": "RED", "player": "9", "score": null},
  {"kind": "goal", "t_s": 5.0, "visible_s": 0.0, "team": "", "player": "", "score": [1, 0]},
  {"kind": "scoreboard", "t_s": 6.5, "visible_s": 0.0, "team": "", "player": "", "score": [1, 0]}
 ],
 "stretches": [
  {"kind": "nothing", "from_s": 0.0, "to_s": 2.0},
  {"kind": "action", "from_s": 2.0, "to_s": 12.0},
  {"kind": "nothing", "from_s": 12.0, "to_s": 20.0},
  {"kind": "action", "from_s": 20.0, "to_s": 30.0}
 ],
 "teams": ["RED", "BLU"],
 "seed": 3,
 "sounds": []
}
"""

# name → (format, content). `written` are those that the format itself writes: they come back byte by byte.
READ_ONLY = {
    "LiveSports CSV": ("livesports", LIVESPORTS_CSV),
    "Live-WhisperX conversations": ("live-whisperx", CONVERSATIONS),
    "Labels-caption.json": ("soccernet-caption", LABELS_CAPTION),
    "Labels-v2.json": ("soccernet-spotting", LABELS_V2),
    "OVO-Bench": ("ovo-bench", OVO),
    "StreamingBench": ("streaming-bench", PROACTIVE),
    "OmniStar": ("omnistar", OMNISTAR),
    "a scripted match": ("match", MATCH),
    "Omni-DuplexEval, points": ("omni-duplex", OMNI_DUPLEX_POINTS),
}
WRITTEN = {
    "WebVTT": ("webvtt", WEBVTT),
    "SubRip": ("srt", SRT),
    "LiveSports JSON lines": ("livesports", LIVESPORTS_JSONL),
    "text_stream": ("live-whisperx", TEXT_STREAM),
    "results_dense_captioning.json": ("soccernet-caption", DENSE_CAPTIONS),
    "results_spotting.json": ("soccernet-spotting", SPOTTING),
    "SoccerNet-Echoes": ("soccernet-echoes", ECHOES),
    "OmniStar result": ("omnistar", OMNISTAR_RESULT),
    "Omni-DuplexEval": ("omni-duplex", OMNI_DUPLEX),
}
ALL = {**READ_ONLY, **WRITTEN}
