"""Word stock of the fictitious market: people, places, institutions, desks.

Everything is made up. Telephone numbers use prefixes that reach nobody, mail domains end in the
reserved ``.example``.
"""

from typing import Final

_SURNAMES: Final = (
    "王wang7 李li7 张zhang7 刘liu5 陈chen5 杨yang3 黄huang3 赵zhao2 吴wu2 周zhou2 徐xu2 孙sun2 "
    "马ma2 朱zhu2 胡hu2 林lin2 郭guo1 何he1 高gao1 罗luo1 郑zheng1 梁liang1 谢xie1 宋song1 "
    "唐tang1 许xu1 邓deng1 韩han1 冯feng1 曹cao1 彭peng1 曾zeng1 萧xiao1 田tian1 董dong1 "
    "潘pan1 袁yuan1 蔡cai1 蒋jiang1 余yu1 于yu1 杜du1 叶ye1 程cheng1 魏wei1 苏su1 吕lv1 丁ding1 "
    "沈shen1 任ren1 姚yao1 卢lu1 钟zhong1 崔cui1 谭tan1 陆lu1 范fan1 汪wang1 廖liao1 石shi1 "
    "贾jia1 韦wei1 夏xia1 方fang1 邹zou1 熊xiong1 白bai1 孟meng1 秦qin1 邱qiu1 侯hou1 江jiang1 "
    "尹yin1 薛xue1 段duan1 雷lei1 龙long1 陶tao1 贺he1 毛mao1 郝hao1 顾gu1 龚gong1 邵shao1 "
    "欧阳ouyang1 上官shangguan1"
)

_GIVEN: Final = (
    "伟wei 芳fang 娜na 敏min 静jing 强qiang 磊lei 军jun 洋yang 勇yong 艳yan 杰jie 娟juan 涛tao "
    "明ming 超chao 霞xia 平ping 刚gang 玲ling 华hua 红hong 英ying 丽li 建jian 文wen 志zhi "
    "国guo 海hai 春chun 晓xiao 小xiao 子zi 宇yu 浩hao 轩xuan 梓zi 欣xin 怡yi 雨yu 佳jia 思si "
    "诗shi 嘉jia 俊jun 博bo 天tian 泽ze 晨chen 辰chen 一yi 可ke 心xin 雪xue 梅mei 兰lan 玉yu "
    "凤feng 桂gui 荣rong 福fu 永yong 长chang 庆qing 东dong 南nan 北bei 林lin 峰feng 松song "
    "柏bai 鹏peng 飞fei 龙long 凯kai 睿rui 哲zhe 琪qi 瑶yao 婷ting 倩qian 颖ying 蕾lei 璐lu "
    "洁jie 毅yi 斌bin 波bo 辉hui 亮liang 旭xu 阳yang 安an 宁ning"
)

_PLACES: Final = (
    "深圳市 0755 福田区 罗湖区 南山区 宝安区 龙岗区 龙华区",
    "广州市 020 天河区 越秀区 海珠区 番禺区",
    "北京市 010 西城区 东城区 朝阳区 海淀区",
    "上海市 021 浦东新区 黄浦区 徐汇区 静安区",
    "杭州市 0571 上城区 西湖区 滨江区",
    "南京市 025 玄武区 鼓楼区 建邺区",
    "成都市 028 锦江区 青羊区 武侯区",
    "重庆市 023 渝中区 江北区 南岸区",
    "武汉市 027 江汉区 武昌区 洪山区",
    "西安市 029 碑林区 雁塔区",
    "长沙市 0731 芙蓉区 岳麓区",
    "福州市 0591 鼓楼区 台江区",
    "厦门市 0592 思明区 湖里区",
    "青岛市 0532 市南区 崂山区",
    "大连市 0411 中山区 沙河口区",
    "沈阳市 024 和平区 沈河区",
    "郑州市 0371 金水区 中原区",
    "合肥市 0551 蜀山区 庐阳区",
    "昆明市 0871 五华区 盘龙区",
    "珠海市 0756 香洲区 斗门区",
)

_ROAD_HEADS: Final = (
    "望澜 听松 揽翠 汇泉 景铄 云栖 锦帆 星桥 春藤 银湾 丹枫 临渚 长堤 梧桐 白鹭 竹影 石榴 清湖"
)
_ROAD_TAILS: Final = "路 一路 二路 东路 西路 南路 北路 大道 街 巷"

_BRANDS: Final = (
    "澜岳lanyue 衡汀hengting 沐川muchuan 璟和jinghe 朔望shuowang 砚秋yanqiu 泊远boyuan "
    "霁云jiyun 栩木xumu 穗禾suihe 昭宁zhaoning 岚桥lanqiao 渝舟yuzhou 麓安luan 沅启yuanqi "
    "珩信hengxin 曜石yaoshi 槿年jinnian 陌上moshang 鹤鸣heming 溪午xiwu 靖帆jingfan "
    "琢玉zhuoyu 迦南jianan 牧野muye 芷江zhijiang 拾光shiguang 棠梨tangli 芝罘zhifu 汶上wenshang"
)
_TRADES: Final = (
    "证券有限公司 证券股份有限公司 期货有限公司 基金管理有限公司 资产管理有限公司 投资咨询有限公司 "
    "财富管理有限公司 私募基金管理有限公司 信托有限公司 人寿保险股份有限公司 金融科技有限公司 "
    "财经传媒有限公司 数据服务有限公司 量化投资有限公司 银行股份有限公司"
)
_BRANCHES: Final = (
    "望澜路营业部 听松路营业部 汇泉大道营业部 南方分公司 华东分公司 西部分公司 自营业务部 研究所 "
    "资产托管部 信息技术部 交易部"
)

_REGIONS: Final = "岚州 浔川 临澜 云汀 霁城 朔南 沐州 栖江 衡岭 白渚"
_DESKS: Final = "市场监测处 信息统计处 机构监管处 稽查一处 稽查二处 公司监管处"


def _split(word: str) -> tuple[str, str]:
    """'王wang' -> ('王', 'wang')."""
    cut = next(at for at, char in enumerate(word) if char.isascii())
    return word[:cut], word[cut:]


def _surnames() -> tuple[tuple[str, str], ...]:
    found: list[tuple[str, str]] = []
    for word in _SURNAMES.split():
        found += [_split(word[:-1])] * int(word[-1])
    return tuple(found)


def _given() -> tuple[tuple[str, str, str], ...]:
    one = [_split(word) for word in _GIVEN.split()]
    found = [(a + b, x + y, x[0] + y[0]) for a, x in one for b, y in one]
    found += [(a, x, x[0]) for a, x in one] * 20
    # Two rare characters that GB18030 writes with four bytes, and names with a middle dot.
    found += [("㛃", "jie", "j"), ("䶮", "yan", "y")]
    return tuple(found)


def _areas() -> tuple[tuple[str, str], ...]:
    found: list[tuple[str, str]] = []
    for place in _PLACES:
        city, code, *districts = place.split()
        found += [(city + district, code) for district in districts]
    return tuple(found)


# surnames: characters, pinyin; the common ones several times
SURNAMES: Final = _surnames()
# given names: characters, pinyin, initials
GIVEN: Final = _given()
# whole name, pinyin, short form: names that are not surname + given name
WHOLE_NAMES: Final = (
    ("阿依努尔·买合木提", "ayinuer", "ayne"),
    ("古丽娜尔·艾山", "gulinaer", "glne"),
    ("扎西多吉", "zhaxiduoji", "zxdj"),
    ("巴特尔", "bateer", "bte"),
    ("Marta Lindqvist", "mlindqvist", "mlq"),
    ("O'Dowd Fergal", "fodowd", "fod"),
)

# (city and district, telephone area code)
AREAS: Final = _areas()
ROADS: Final = tuple(head + tail for head in _ROAD_HEADS.split() for tail in _ROAD_TAILS.split())
HOMES: Final = (
    "",
    *(f"{block}栋{floor}0{door}室" for block in (1, 2, 3, 6) for floor in (2, 5, 9, 16, 21)
      for door in (1, 2, 3, 5)),
    *(f"{name}花园{block}座{floor}A" for name in ("翠湖", "金桂", "碧澜") for block in "ABC"
      for floor in (7, 12, 18)),
)  # fmt: skip
OFFICES: Final = tuple(
    f"{name}{kind}{floor}层"
    for name in ("银澜", "恒泰", "云帆", "金穗", "汇景", "时代")
    for kind in ("大厦", "中心", "广场")
    for floor in (6, 11, 19, 28, 35)
)

# (short name, pinyin)
BRANDS: Final = tuple(_split(word) for word in _BRANDS.split())
TRADES: Final = tuple(_TRADES.split())
BRANCHES: Final = tuple(_BRANCHES.split())
REGULATORS: Final = tuple(
    f"{region}证监局{desk}" for desk in _DESKS.split() for region in _REGIONS.split()
)
OWN_DESKS: Final = ("运维监控台", "客户服务中心", "产品测试组", "数据质量组", "开发联调组")

# prefixes that no operator hands out; a local number never begins with 1
MOBILE_PREFIXES: Final = ("154", "161", "163", "164", "168", "169")
LANDLINE_LEAD: Final = "1"
MAIL_DOMAINS: Final = ("post.example", "mail.example", "stock.example")
