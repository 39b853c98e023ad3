"""What the demo shop sells."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Product:
    """One piece; `picture` names a file in drawings/, `glaze` its colours in shop.css; price in cents."""

    slug: str
    name: str
    glaze: str
    picture: str
    price: int
    line: str
    story: str
    size: str
    sold_out: bool = False

    @property
    def price_text(self) -> str:
        return price_text(self.price)


def price_text(cents: int) -> str:
    """`€ 34.00`, as the shop writes it."""
    return f"€ {cents // 100}.{cents % 100:02d}"


PRODUCTS = (
    Product(
        "morning-mug",
        "Morning mug",
        "celadon",
        "mug",
        2400,
        "A wide handle for three sleepy fingers",
        "Thrown in one pull, with a wall thin enough to feel the tea and a foot heavy enough to stay put.",
        "0.3 l · 9 cm high",
    ),
    Product(
        "slow-teapot",
        "Slow teapot",
        "tenmoku",
        "teapot",
        8900,
        "Pours without a drip, we promise",
        "The spout is cut while the clay is still soft; we test every single one over a white tablecloth.",
        "0.9 l · with strainer",
    ),
    Product(
        "noodle-bowl",
        "Noodle bowl",
        "cobalt",
        "bowl",
        3200,
        "Deep, with a foot that stays cool",
        "Two hands fit around it on a November evening. The blue runs thicker towards the foot.",
        "0.8 l · 17 cm across",
    ),
    Product(
        "meadow-vase",
        "Meadow vase",
        "sand",
        "vase",
        5600,
        "For three stems, not thirty",
        "A narrow neck that holds a few wild flowers upright, unglazed outside and watertight within.",
        "24 cm high",
    ),
    Product(
        "supper-plate",
        "Supper plate",
        "oatmeal",
        "plate",
        2900,
        "Speckled like a thrush egg",
        "The iron in the clay breaks through the glaze; no two plates carry the same speckles.",
        "26 cm across",
    ),
    Product(
        "water-jug",
        "Water jug",
        "teal",
        "jug",
        4800,
        "A lip that knows when to stop",
        "A litre of water keeps cool in it all afternoon, even on a table in the sun.",
        "1.1 l · 21 cm high",
    ),
    Product(
        "window-planter",
        "Window planter",
        "terracotta",
        "planter",
        3800,
        "With a saucer of its own",
        "Breathing clay, fired once at a low heat, so that roots stay dry and leaves stay green.",
        "15 cm across",
    ),
    Product(
        "evening-light",
        "Evening light",
        "plum",
        "candle",
        1900,
        "One candle, one quiet hour",
        "The rim catches the wax and throws the light back upwards. It leaves the kiln only twice a year.",
        "8 cm high",
        sold_out=True,
    ),
)

BY_SLUG = {product.slug: product for product in PRODUCTS}
