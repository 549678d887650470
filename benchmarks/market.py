"""A market of many vendors, written by the database itself: millions of records in minutes.

The first vendor has a quarter of all records, the others share the rest by Zipf's law. Names are
Chinese persons' and, for one user in seven, institutions'; every tenth institution or so is a
证券 one. Rows are written as a first import writes them: vendor by vendor, in the order of the key.
"""

from collections.abc import Iterator
from typing import Any

from gateway.regulation.layouts import SZSE_2010

VENDORS = 100
PRODUCTS = ("深交所网络版增强行情", "深交所基本行情", "深交所指数行情", "深交所期权行情")
FREQUENT, RARE = "证券", "龘靐"

_SURNAMES = (
    "王李张刘陈杨黄赵吴周徐孙马朱胡郭何高林罗郑梁谢宋唐许韩冯邓曹"
    "彭曾肖田董潘袁蔡蒋余于杜叶程苏魏吕丁"
)
_GIVEN = (
    "伟芳娜秀英敏静丽强磊军洋勇艳杰娟涛明超兰霞平刚桂华建国文辉力永健世广志义兴良海山"
    "仁波宁贵福生龙元全胜学祥才发武新利清飞彬富顺信子成康星光天达安岩中茂进林有坚和彪"
    "博诚先敬震振壮会思群豪心邦承乐绍功松善厚庆民友裕河哲江亮政谦亨奇固之轮翰朗伯宏言"
    "若鸣朋斌梁栋维启克伦翔旭鹏泽晨辰士以家致树炎德行时泰盛"
)
_CITIES = [*("深圳", "上海", "北京", "广州", "杭州", "南京", "成都", "武汉", "西安", "厦门")]
_WORDS = [*("南山", "恒信", "鼎盛", "金石", "华创", "中联", "瑞丰", "天元", "博时", "长盛")]
_KINDS = [
    *("证券有限公司", "基金管理公司", "资产管理公司", "投资咨询公司", "信息技术公司"),
    *("期货有限公司", "保险公司", "银行分行", "大学", "研究所"),
]

_FILL = """
INSERT INTO service_records (vendor_id, record_id, product_id, batch_no, start_date, end_date,
    user_type, fee_category, usage_mode, service_status, user_id, user_name, address, contact,
    phone)
SELECT $1, row_number() OVER (ORDER BY user_id, product_id, usage_mode, start_date), product_id, 1,
    start_date,
    CASE WHEN h6 % 100 < 55 THEN 'infinity'::date ELSE start_date + 30 + h6 / 100 % 700 END,
    CASE WHEN institution THEN 2 ELSE 1 END,
    CASE WHEN h7 % 100 < 70 THEN 1 WHEN h7 % 100 < 71 THEN 2 WHEN h7 % 100 < 74 THEN 3 ELSE 4 END,
    usage_mode,
    CASE WHEN h8 % 100 < 70 THEN NULL WHEN h8 % 100 < 90 THEN 1 WHEN h8 % 100 < 96 THEN 2 ELSE 3
    END,
    user_id,
    CASE WHEN h9 % 1000003 = 0 THEN $9
        WHEN institution THEN cities[1 + h1 % 10] || words[1 + h2 % 10] || kinds[1 + h3 % 10]
        ELSE surnames[1 + h1 % array_length(surnames, 1)]
            || given[1 + h2 % array_length(given, 1)]
            || CASE WHEN h3 % 10 < 6 THEN given[1 + h3 / 10 % array_length(given, 1)] ELSE '' END
    END,
    CASE WHEN h5 % 10 < 8 THEN '深圳市福田区莲花路' || h5 % 999 || '号' END,
    CASE WHEN institution THEN '联系人' || h4 % 100 END,
    '1' || lpad((h4::bigint * 7919 % 10000000000)::text, 10, '3')
FROM (
    SELECT u, k,
        CASE WHEN u % 10 < 4 THEN 'szse' || lpad(u::text, 8, '0')
            WHEN u % 10 < 7 THEN 'u' || u
            ELSE '13' || lpad((u::bigint * 7919 % 1000000000)::text, 9, '0') END AS user_id,
        h1, h2, h3, h4, h1 / 7 % 7 = 0 AS institution,
        date '2022-01-01' + h4 % 1200 + CASE WHEN k = 0 THEN 0 ELSE 200 + h5 % 300 END
            AS start_date,
        products[CASE WHEN h2 / 5 % 100 < 60 THEN 1 WHEN h2 / 5 % 100 < 80 THEN 2
            WHEN h2 / 5 % 100 < 95 THEN 3 ELSE 4 END] AS product_id,
        CASE WHEN h3 / 7 % 10 < 6 THEN 1 WHEN h3 / 7 % 10 < 9 THEN 2 ELSE 3 END AS usage_mode,
        h5, h6, h7, h8, h9
    FROM (
        SELECT i / 13 * 10 + CASE WHEN i % 13 < 10 THEN i % 13 ELSE i % 13 - 10 END AS u,
            CASE WHEN i % 13 < 10 THEN 0 ELSE 1 END AS k, i
        FROM generate_series(0, $2::int - 1) i
    ) n,
    LATERAL (SELECT hashint4($1 + u) & 2147483647 AS h1, hashint4($1 - u - 1) & 2147483647 AS h2,
        hashint4($1 + 3 * u + 1) & 2147483647 AS h3, hashint4($1 + 5 * u + 2) & 2147483647 AS h4,
        hashint4($1 + 7 * i + 3) & 2147483647 AS h5, hashint4($1 + 11 * i + 4) & 2147483647 AS h6,
        hashint4($1 + 13 * i + 5) & 2147483647 AS h7, hashint4($1 + 17 * i + 6) & 2147483647 AS h8,
        hashint4($1 + 19 * u + 7) & 2147483647 AS h9) h,
    LATERAL (SELECT $3::int[] AS products) p
) r,
LATERAL (SELECT string_to_array($4, NULL) AS surnames, string_to_array($5, NULL) AS given,
    $6::text[] AS cities, $7::text[] AS words, $8::text[] AS kinds) w
ORDER BY user_id, product_id, usage_mode, start_date
"""


def sizes(rows: int, vendors: int = VENDORS) -> Iterator[int]:
    """Yield each vendor's number of records: a quarter for the first, then ever fewer."""
    weights = [1 / (rank + 5) for rank in range(vendors - 1)]
    yield rows // 4
    for weight in weights:
        yield max(13, int(rows * 3 / 4 * weight / sum(weights)))


def code(number: int) -> str:
    """Return a vendor's code."""
    return f"T{number:03}"


async def fill(postgres: Any, rows: int) -> None:
    """Write the records of the vendors that are set up, indexes last."""
    indexes = await postgres.fetch(
        "SELECT indexname, indexdef FROM pg_indexes WHERE tablename = 'service_records' "
        "AND indexname NOT IN (SELECT conname FROM pg_constraint)"
    )
    for name, _ in indexes:
        await postgres.execute(f'DROP INDEX "{name}"')
    constraints = await postgres.fetch(
        "SELECT conname, pg_get_constraintdef(oid) FROM pg_constraint "
        "WHERE conrelid = 'service_records'::regclass AND contype IN ('p', 'u')"
    )
    for name, _ in constraints:
        await postgres.execute(f'ALTER TABLE service_records DROP CONSTRAINT "{name}"')
    products = [
        number
        for (number,) in await postgres.fetch(
            "SELECT product_id FROM products ORDER BY array_position($1, name)", list(PRODUCTS)
        )
    ]
    numbers = dict(await postgres.fetch("SELECT code, vendor_id FROM vendors"))
    for rank, size in enumerate(sizes(rows)):
        vendor = numbers[code(rank)]
        await postgres.execute(
            _FILL,
            vendor,
            size,
            products,
            _SURNAMES,
            _GIVEN,
            _CITIES,
            _WORDS,
            _KINDS,
            f"欧阳{RARE}",
        )
        await postgres.execute(
            "INSERT INTO rosters (vendor_id, licensor_id, last_batch, last_record, recorded_at) "
            "SELECT $1, n, 1, $2, now() "
            "FROM (SELECT 0 UNION SELECT licensor_id FROM products) l (n)",
            *(vendor, size),
        )
        await postgres.execute(
            "INSERT INTO import_batches (vendor_id, batch_no, licensor_id, number, recorded_at, "
            "actor, source, sha256, encoding, mode, lines, added, changed, superseded, unchanged, "
            "format_digest) "
            "SELECT $1, 1, licensor_id, 1, now(), 'benchmark', 'market', '', 'utf-8', 'snapshot', "
            "$2, $2, 0, 0, 0, $3 FROM (SELECT DISTINCT licensor_id FROM products) l",
            *(vendor, size, SZSE_2010.digest),
        )
    await postgres.execute(
        "INSERT INTO vendor_products SELECT DISTINCT vendor_id, product_id FROM service_records"
    )
    await postgres.execute("SET maintenance_work_mem = '1GB'")
    for name, definition in constraints:
        await postgres.execute(f'ALTER TABLE service_records ADD CONSTRAINT "{name}" {definition}')
    for _, definition in indexes:
        await postgres.execute(definition)
    await postgres.execute("VACUUM ANALYZE")
