"""书面认可: written approvals of free users, loaded from a file. Loading twice changes nothing."""

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy import or_, select
from sqlalchemy.dialects import postgresql

from gateway.catalogue import registry
from gateway.catalogue.models import Approval, VendorProduct
from gateway.errors import NotFound, Refused
from gateway.regulation.codes import FeeCategory
from gateway.regulation.layouts import PRODUCT, SEPARATOR, USER_ID
from gateway.regulation.text import fault
from gateway.tenancy.operator import OperatorSession

HEADINGS = ("用户ID", "信息产品", "用户优惠标记", "起始日", "终止日", "文号")
"""The columns: the first and the last day on which it is valid (0: for good), and its number."""
_REFERENCE_BELOW = 128
_LENGTH_OF_DAY = 8


@dataclass(frozen=True, slots=True)
class ApprovalLine:
    """One line of the file."""

    number: int
    user_id: str
    product: str
    category: FeeCategory
    start: date
    end: date | None
    reference: str


def read_approvals(text: str) -> list[ApprovalLine]:
    """Read a file of approvals; raise Refused at the first line that breaks a rule.

    A first line of the headings is passed over, and so is an empty last one.
    """
    lines = text.removeprefix("\ufeff").replace("\r\n", "\n").split("\n")
    found = [*_read(lines)]
    seen: dict[tuple[str, str, FeeCategory, date], int] = {}
    for one in found:
        key = (one.user_id, one.product, one.category, one.start)
        if key in seen:
            raise _refused(
                one.number, f"the same approval as line {seen[key]}", "重复的认可", "once"
            )
        seen[key] = one.number
    return found


def _read(lines: Sequence[str]) -> Iterator[ApprovalLine]:
    for number, line in enumerate(lines, 1):
        cells = [cell.strip(" ") for cell in line.split(SEPARATOR)]
        if (number == len(lines) and not line) or (number == 1 and tuple(cells) == HEADINGS):
            continue
        if len(cells) != len(HEADINGS):
            raise _refused(
                number,
                f"{len(cells)} columns",
                f"{len(cells)}列",
                SEPARATOR.join(HEADINGS),
            )
        user, product, category, start, end, reference = cells
        for cell, below, heading in (
            (user, USER_ID.below, HEADINGS[0]),
            (product, PRODUCT.below, HEADINGS[1]),
            (reference, _REFERENCE_BELOW, HEADINGS[5]),
        ):
            if (wrong := fault(cell, below or _REFERENCE_BELOW)) is not None:
                raise _refused(number, f"{heading}: {wrong}", f"{heading}有误", f"{heading}")
        free = {code.text: code for code in FeeCategory if code is not FeeCategory.FULL_PRICE}
        if category not in free:
            raise _refused(
                number, f"{category!r} is no free category", "优惠标记有误", ", ".join(free)
            )
        first, last = _day(number, start), None if end == "0" else _day(number, end)
        if last is not None and last < first:
            raise _refused(
                number, f"{end} is before {start}", f"{end}早于{start}", f"{start} or later"
            )
        yield ApprovalLine(number, user, product, free[category], first, last, reference)


def _day(number: int, text: str) -> date:
    try:
        if len(text) == _LENGTH_OF_DAY and text.isascii() and text.isdigit():
            return datetime.strptime(text, "%Y%m%d").date()  # noqa: DTZ007 (a date has no zone)
    except ValueError:
        pass
    raise _refused(number, f"{text!r} is not a date", f"“{text}”不是日期", "yyyymmdd")


def _refused(number: int, en: str, zh: str, accepted: str) -> Refused:
    return Refused(
        f"line {number}: {en}", f"第{number}行：{zh}", argument=f"line {number}", accepted=accepted
    )


async def load_approvals(
    session: OperatorSession, vendor: str, lines: Sequence[ApprovalLine]
) -> int:
    """Take the approvals of a vendor's users; return how many are new or say something else.

    What the file lacks stays: an approval is ended by its last day. Refused for a product that the
    vendor does not have.
    """
    holder = await registry.vendor_id(session, vendor)
    held = VendorProduct.table()
    having = select(held.c.product_id).where(held.c.vendor_id == holder)
    its = set((await session.execute(having)).scalars())
    table, numbers = Approval.table(), dict[str, int]()
    changed = 0
    for line in lines:
        if line.product not in numbers:
            with suppress(NotFound):
                numbers[line.product] = await registry.product_id(session, line.product)
        if numbers.get(line.product) not in its:
            raise _refused(
                line.number,
                f"{vendor} has no product {line.product!r}",
                f"{vendor}没有信息产品“{line.product}”",
                "a product that the vendor is licensed for",
            )
        key = {
            "vendor_id": holder,
            "product_id": numbers[line.product],
            "user_id": line.user_id,
            "fee_category": line.category,
            "valid_from": line.start,
        }
        said = {"valid_to": line.end, "reference": line.reference}
        adding = postgresql.insert(table).values(key | said)
        done = await session.execute(
            adding.on_conflict_do_update(
                index_elements=list(key),
                set_=said,
                where=or_(*(table.c[name].is_distinct_from(value) for name, value in said.items())),
            )
        )
        changed += done.rowcount
    if changed:
        await registry.log(session, "approval.load", holder, lines=len(lines), changed=changed)
    return changed
