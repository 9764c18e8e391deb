"""The unit of what a method returns, from its docstring and its name.

A wrong unit is worse than none. So a phrase counts when it is one of a few plain kinds, is about
what is returned and not about a parameter, and its unit is one of what it names: no voltage in
seconds.
"""

import inspect
import re
from functools import lru_cache
from typing import Final

__all__ = ["unit_of"]


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


# symbol: (quantity, spelled, prefixes)
_UNITS: Final = {
    "V": ("voltage", "volt volts", "pnµmkM"),
    "A": ("current", "ampere amperes amp amps", "pnµmk"),
    "Ω": ("resistance", "ohm ohms", "mkMG"),
    "W": ("power", "watt watts", "pnµmkMG"),
    "Hz": ("frequency", "hertz", "mkMGT"),
    "K": ("temperature", "kelvin kelvins", "µm"),
    "°C": ("temperature", "celsius centigrade", ""),
    "°F": ("temperature", "fahrenheit", ""),
    "Pa": ("pressure", "pascal pascals", "mhkMG"),
    "bar": ("pressure", "bar bars", "m"),
    "Torr": ("pressure", "torr", "m"),
    "s": ("time", "second seconds", "pnµm"),
    "min": ("time", "minute minutes", ""),
    "h": ("time", "hour hours", ""),
    "d": ("time", "day days", ""),
    "m": ("length", "metre metres meter meters", "pnµmck"),
    "g": ("mass", "gram grams", "µmk"),
    "N": ("force", "newton newtons", "µmk"),
    "J": ("energy", "joule joules", "µmkM"),
    "eV": ("energy", "electronvolt electronvolts", "mkM"),
    "T": ("magnetic", "tesla teslas", "nµm"),
    "F": ("capacitance", "farad farads", "pnµm"),
    "H": ("inductance", "henry henries", "nµm"),
    "C": ("charge", "coulomb coulombs", "pnµm"),
    "S": ("conductance", "siemens", "nµm"),
    "l": ("volume", "litre litres liter liters", "µm"),
    "lx": ("illuminance", "lux", "k"),
    "rad": ("angle", "radian radians", "µm"),
    "°": ("angle", "degree degrees", ""),
    "rpm": ("frequency", "", ""),
    "dB": ("level", "decibel decibels", ""),
    "dBm": ("power", "", ""),
    "%": ("share", "percent", ""),
    "ppm": ("share", "", ""),
}

_PREFIXES: Final = {
    "p": "pico",
    "n": "nano",
    "µ": "micro",
    "m": "milli",
    "c": "centi",
    "h": "hecto",
    "k": "kilo",
    "M": "mega",
    "G": "giga",
    "T": "tera",
}

_OTHER_SYMBOLS: Final = {"degC": "°C", "℃": "°C", "degF": "°F", "℉": "°F", "deg": "°", "mL": "ml"}

_OTHER_WORDS: Final = {
    **{f"{degree} {c}": "°C" for degree in ("degree", "degrees", "deg") for c in ("c", "celsius")},
    **{f"{degree} {f}": "°F" for degree in ("degree", "degrees") for f in ("f", "fahrenheit")},
}

# What is a unit in the name of a method whose letters are all small. Not mv, ma, mw and mhz: the m
# may stand for mega.
_SMALL: Final = {
    name.lower(): name
    for name in (
        *("Hz", "kHz", "GHz", "kV", "kW", "Pa", "hPa", "kPa", "bar", "mbar", "Torr", "rpm", "ppm"),
        *("ns", "ms", "s", "nm", "mm", "cm", "m", "km", "mg", "kg", "ml", "V", "degC", "degF"),
        *("us", "um", "uV", "uA"),
    )
}

# what a word in front of a unit is about
_QUANTITIES: Final = {
    word: set(quantities.split())
    for quantities, words in {
        "voltage": "voltage voltages potential",
        "current": "current currents",
        "resistance": "resistance resistances impedance",
        "power": "power",
        "frequency": "frequency frequencies",
        "temperature": "temperature temperatures",
        "pressure": "pressure pressures",
        "time": "time times duration durations delay period interval timeout uptime age timestamp",
        "length": "length distance height width depth thickness wavelength displacement diameter "
        "radius",
        "length angle": "position positions",
        "mass": "mass weight",
        "force": "force",
        "energy": "energy",
        "capacitance": "capacitance",
        "inductance": "inductance",
        "charge": "charge",
        "conductance": "conductance",
        "volume": "volume",
        "illuminance": "illuminance",
        "angle": "angle angles phase",
        "level": "gain attenuation",
        "share": "humidity efficiency concentration",
        "frequency quotient": "rate speed",
        "quotient": "velocity acceleration flow slope gradient sensitivity",
    }.items()
    for word in words.split()
}

# after these a unit can be that of something else, or of nothing
_STOPS: Final = _words(
    "a or and if else when for at after before per between with within without by from to as than "
    "divided times versus vs over under until since unless otherwise not no none in on across "
    "through during which whose that set change "
    "ratio log logarithm square squared inverse reciprocal product number count counts index "
    "coefficient noise density derivative integral variance"
)

# these have the unit of what they are of
_OF_THE_SAME: Final = _words(
    "value range limit offset setpoint amplitude mean average median minimum maximum peak"
)

_VERBS: Final = r"returns?|reads?|gets?|measures?|quer(?:y|ies)|fetch(?:es)?|obtains?"
_GETTER: Final = re.compile(rf"(?:{_VERBS})", re.IGNORECASE)
_SUMMARY: Final = re.compile(
    rf"(?:(?:{_VERBS})(?:\s+and\s+returns?)?\s+(?:(?:the|an?)\s+)?|the\s+)(.*)",
    re.IGNORECASE | re.DOTALL,
)
_NOT_A_GETTER: Final = _words(
    "set wait sleep move go goto step ramp write configure enable disable shift rotate turn heat "
    "cool send change adjust apply limit check validate increase decrease is has n num "
    "number count index start stop run pause hold reset convert from"
)
_TYPE: Final = re.compile(r"([A-Za-z_][\w.]*(?:\[[^:]*\])?(?:\s*\|\s*\w+)*):\s+")
_SEVERAL: Final = re.compile(r"tuple|dict|mapping|pair|str|bool|bytes", re.IGNORECASE)
_BRACKETED: Final = re.compile(r"[(\[]\s*(?:in\s+)?([^()\[\]]{1,20}?)\s*[)\]]")
_IN: Final = re.compile(
    r"(?:,?\s+(?:measured|given|expressed|as\s+a\s+number))?,?\s+in\s+([^()\[\],]{1,24})"
)
_IN_USE: Final = re.compile(r"\s+in\s+use(?=,|\s+[(\[]|\s+in\s)")
_NONE: Final = re.compile(r",?\s+or\s+(?:`*None`*|`*NaN`*)\b.*", re.IGNORECASE | re.DOTALL)

Unit = tuple[str, str]
"""A symbol, and what it is the unit of."""


def _symbols_and_words() -> tuple[dict[str, Unit], dict[str, Unit]]:
    symbols: dict[str, Unit] = {}
    words: dict[str, Unit] = {}
    for symbol, (quantity, spelled, prefixes) in _UNITS.items():
        symbols[symbol] = symbol, quantity
        words |= dict.fromkeys(spelled.split(), (symbol, quantity))
        for prefix in prefixes:
            unit = prefix + symbol, quantity
            symbols[unit[0]] = unit
            words |= {_PREFIXES[prefix] + word: unit for word in spelled.split()}
            if prefix == "µ":  # the Greek letter, and the one on every keyboard
                symbols |= {f"μ{symbol}": unit, f"u{symbol}": unit}
    symbols |= {other: symbols[symbol] for other, symbol in _OTHER_SYMBOLS.items()}
    words |= {other: symbols[symbol] for other, symbol in _OTHER_WORDS.items()}
    return symbols, words


_SYMBOLS, _WORDS = _symbols_and_words()


@lru_cache(maxsize=256)
def unit_of(attribute: str, doc: str) -> str:
    """The unit of the numbers that a method returns.

    Args:
        attribute: The name of the method.
        doc: Its docstring.

    Returns:
        The symbol of the unit; empty if neither tells it without a doubt, or they differ.
    """
    units = {_of_doc(doc[:10_000]), _of_name(attribute[:200])} - {""}
    return units.pop() if len(units) == 1 else ""


# --- the docstring ---------------------------------------------------------------------------


def _of_doc(doc: str) -> str:
    doc = inspect.cleandoc(doc)
    for section in _returned(doc):
        if kind := _TYPE.match(section):
            if _SEVERAL.search(kind[1]):
                return ""
            section = section[kind.end() :]
        return _of_phrase(section) or ("" if _mentioned(section) else _of_summary(doc))
    return _of_summary(doc)


def _of_summary(doc: str) -> str:
    phrase = _SUMMARY.fullmatch(doc.partition("\n\n")[0])
    return _of_phrase(phrase[1]) if phrase else ""


def _returned(doc: str) -> list[str]:
    """What is said of the returned value: one text, or none."""
    lines = doc.split("\n")
    for index, line in enumerate(lines):
        word, colon, rest = line.strip().partition(":")
        if word in ("Returns", "Return", "Yields") and colon and line[0] != " ":
            return [" ".join([rest.strip(), *_indented(lines[index + 1 :])]).strip()]
        if line in ("Returns", "Yields") and set("".join(lines[index + 1 : index + 2])) == {"-"}:
            below = lines[index + 2 :]
            described = " ".join(_indented(below[1:]))
            kind = below[0].rpartition(":")[2].strip() if below else ""
            others = [other for other in below[1:] if other.strip() and other[0] != " "]
            single = not others or set("".join(below[below.index(others[0]) + 1 :][:1])) == {"-"}
            return [f"{kind}: {described}" if single and not _SEVERAL.search(kind) else "or"]
        if sphinx := re.match(r":returns?:\s*(.*)", line):
            return [" ".join([sphinx[1], *_indented(lines[index + 1 :])])]
    return []


def _indented(lines: list[str]) -> list[str]:
    taken: list[str] = []
    for line in lines:
        if line.strip() and line[0] not in " \t":
            break
        if not line.strip() and taken:
            break
        taken.append(line.strip())
    return [line for line in taken if line]


def _of_phrase(text: str) -> str:
    """The unit of a phrase such as `The voltage of the cell, in volts. Never negative.`."""
    sentence, _, rest = " ".join(text.split()).partition(". ")
    sentence = _IN_USE.sub("", _NONE.sub("", sentence.rstrip(".;")))
    for pattern in (_BRACKETED, _IN):
        found = list(pattern.finditer(sentence))
        if len(found) == 1 and found[0].end() == len(sentence):
            before, unit = sentence[: found[0].start()].rstrip(), _unit(found[0][1])
            if unit is None or not _is_of(before, unit, found[0][1]):
                return ""
            return unit[0] if _mentioned(rest) <= {unit[0]} else ""
    return ""


def _mentioned(text: str) -> set[str]:
    """The units that are in a text, and what may be some."""
    words = re.findall(r"[^\W\d_]+|[°%℃℉][CF]?", text)
    found = [_SYMBOLS.get(word, _WORDS.get(word.lower())) for word in words if word not in "aA"]
    return {unit[0] for unit in found if unit is not None}


def _is_of(phrase: str, unit: Unit, written: str) -> bool:
    """Whether what a phrase names can have the unit."""
    if not re.fullmatch(r"[\w\s`'-]+", phrase):
        return False
    text = re.sub(r"^(the|an?)\s+", "", phrase.strip("` ").lower()).replace("`", "")
    words = re.sub(r"\bset[ -]point", "setpoint", text).split()
    return _fits(words, unit, written)


def _fits(words: list[str], unit: Unit, written: str) -> bool:
    head = words[: words.index("of")] if "of" in words else words
    if not head or len(words) > 10 or words.count("of") > 1 or _STOPS & set(words):
        return False
    if "of" in words and head[-1] in _OF_THE_SAME:
        head = words[words.index("of") + 1 :]
    named = [word for word in head if word in _QUANTITIES]
    if not named:
        # a letter can be anything
        return "of" not in words and len(written) > 1
    return unit[1] in _QUANTITIES[named[-1]] and ("of" not in words or named[-1] == head[-1])


def _unit(text: str) -> Unit | None:
    text = " ".join(text.split()).strip("`")
    if unit := _SYMBOLS.get(text) or _WORDS.get(text.lower()):
        return unit
    over, slash, under = text.partition("/")
    if slash and over in _SYMBOLS and under in _SYMBOLS:
        return f"{_SYMBOLS[over][0]}/{_SYMBOLS[under][0]}", "quotient"
    return None


# --- the name --------------------------------------------------------------------------------


def _of_name(name: str) -> str:
    if "_" not in name:
        # getTemperatureCelsius
        name = "_".join(re.findall(r"[A-Z]?[a-z]+", name)).lower()
    *words, last = name.strip("_").split("_")
    unit = _WORDS.get(last.lower()) or _SYMBOLS.get(_SMALL.get(last, ""))
    if unit is None and len(last) > 1 and last not in ("min", "rad", "deg"):
        unit = _SYMBOLS.get(last)
    words = [word.lower() for word in words]
    if words[-1:] == ["in"]:
        del words[-1]
    if unit is None or not words or words[0] in _NOT_A_GETTER:
        return ""
    getter = _GETTER.fullmatch(words[0]) is not None
    if getter:
        del words[0]
    if not words:
        return unit[0] if getter and len(last) > 2 else ""
    known = words[-1] in _QUANTITIES
    return unit[0] if (getter or known) and _fits(words, unit, last) else ""
