"""Code lists of the catalogue. A member's number is what the database stores and sorts by."""

from gateway.regulation.codes import Code


class ExchangeKind(Code):
    """Whether an entry runs a market or distributes its data."""

    EXCHANGE = 1, "交易所"
    DATA_COMPANY = 2, "信息公司"


class Protocol(Code):
    """How a specification's messages or files travel."""

    STEP = 1, "STEP"
    BINARY = 2, "Binary"
    FIX = 3, "FIX"
    FAST = 4, "FAST"
    MULTICAST = 5, "组播"
    WEB_API = 6, "Web API"
    FILE_EXCHANGE = 7, "文件交换"
    CSV = 8, "CSV"


class Purpose(Code):
    """What a specification is for."""

    TRADING = 1, "交易"
    MARKET_DATA = 2, "行情"
    STATIC = 3, "静态数据"
    HISTORICAL = 4, "历史数据"
    REFERENCE = 5, "参考数据"
