"""The languages that keywords are written in. A module of its own, so that a command's options cost no database's imports."""

from enum import StrEnum


class Language(StrEnum):
    """A name that there is not in Chinese is taken in English."""

    EN = "en"
    ZH = "zh"
