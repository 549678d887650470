"""What can be wrong with a line: rule codes, and how a problem is told."""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum

from gateway.errors import Language


class Rule(Enum):
    """A rule's code; its value is the reason in English and in Chinese."""

    ENCODING = "the bytes are no text in this encoding", "字节不是该编码的文字"
    UNTERMINATED_LINE = (
        "the last line has no line break: the file may have been cut off",
        "最后一行没有换行符：文件可能被截断",
    )
    LINE_TOO_LONG = "the line is longer than any line can be", "该行过长"
    QUOTING = "quotation marks stand where they can't", "引号用法不对"
    FIELD_COUNT = "wrong number of fields", "字段数不对"
    EMPTY = "no field may be empty", "数据不可为空"
    MISSING = "this field can't be missing", "该字段不能缺失"
    TOO_LONG = "too many characters", "字符数超限"
    CONTROL_CHARACTER = "a control character or line break", "含控制字符或换行符"
    BAR_AT_EDGE = "a value can't begin or end with |", "值不能以|开头或结尾"
    SEPARATOR_INSIDE = "a value can't contain ||", "值不能包含||"
    UNKNOWN_CODE = "not one of the codes", "不是规定的代码"
    BAD_DATE = "not a calendar date", "不是日历日期"
    END_BEFORE_START = "the service ends before it starts", "服务终止日早于起始日"
    UNKNOWN_PRODUCT = "no such product in the catalogue", "产品目录中没有该产品"
    OTHER_LICENSOR = (
        "the product is another licensor's: a file has the products of one",
        "该产品属于另一家信息公司：一个文件只含一家信息公司的产品",
    )
    DUPLICATE_KEY = (
        "the same user, product, usage mode and start date stand in an earlier line",
        "用户、产品、使用方式与起始日和前面的行相同",
    )
    EMPTY_FILE = "the file has no lines", "文件没有内容"

    def reason(self, language: Language) -> str:
        """Return the reason in a language."""
        english, chinese = self.value
        return chinese if language == "zh" else english


@dataclass(frozen=True, slots=True)
class Problem:
    """One broken rule: in which line and column (both from 1; column 0 is the line as a whole)."""

    line: int
    column: int
    heading: str
    rule: Rule
    value: str
    accepted: str

    def text(self, language: Language = "en") -> str:
        """Tell the problem in one line, the value shortened and without control characters."""
        value = repr(self.value if len(self.value) <= 60 else self.value[:59] + "…")
        where = f"line {self.line}"
        if self.column:
            where += f", column {self.column} {self.heading}"
        reason = self.rule.reason(language)
        return f"{where}: {self.rule.name}: {value}: {reason}; accepted: {self.accepted}"

    def json(self) -> dict[str, object]:
        """Return the problem as a JSON object."""
        return {
            "line": self.line,
            "column": self.column,
            "heading": self.heading,
            "rule": self.rule.name,
            "value": self.value,
            "reason": self.rule.reason("en"),
            "reasonZh": self.rule.reason("zh"),
            "accepted": self.accepted,
        }


@dataclass(frozen=True, slots=True)
class BadLine:
    """A rejected line: all its problems, and the line as it stood."""

    text: str
    problems: tuple[Problem, ...]

    @property
    def number(self) -> int:
        """The line's number, from 1."""
        return self.problems[0].line

    def mendable(self) -> Iterator[str]:
        """Yield what the error file says: each problem as a `#` line, then the line itself."""
        for problem in self.problems:
            yield f"# {problem.text('zh')}"
        yield self.text
