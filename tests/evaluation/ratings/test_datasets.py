"""The readers of human ratings: every published layout in small, its variants, and each way it can
be malformed.
"""

import shutil
import zipfile

import numpy as np
import pytest
from PIL import Image
from scipy.io import savemat

from metamer.evaluation.ratings import datasets
from metamer.evaluation.ratings.items import RatingsError
from tests.conftest import SHARED

LISTS = SHARED / "ratings"
needs_lists = pytest.mark.skipif(not LISTS.is_dir(), reason="the lists of ratings are not here")


def picture(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (4, 4)).save(path)


@pytest.fixture
def tid(tmp_path):
    """Two references in different case, three images in different case, lines ended as in the
    archive.
    """
    for name in (
        "reference_images/I01.BMP",
        "reference_images/i02.bmp",
        "distorted_images/I01_01_1.bmp",
        "distorted_images/i01_24_5.BMP",
        "distorted_images/i02_08_3.bmp",
    ):
        picture(tmp_path / name)
    (tmp_path / "mos_with_names.txt").write_bytes(
        b"5.5 I01_01_1.bmp\r\n2.25 i01_24_5.bmp\r\n4 I02_08_3.BMP\r\n\r\n"
    )
    return tmp_path


@pytest.fixture
def kadid(tmp_path):
    for name in ("I01.png", "I01_01_01.png", "I01_25_05.png"):
        picture(tmp_path / "kadid10k" / "images" / name)
    (tmp_path / "kadid10k" / "dmos.csv").write_text(
        "dist_img,ref_img,dmos,var\nI01_01_01.png,I01.png,4.57,0.496\nI01_25_05.png,I01.png,1.2,0.9\n"
    )
    return tmp_path


@pytest.fixture
def csiq(tmp_path):
    """The images alone; every test adds scores of its form."""
    for name in (
        "src_imgs/1600.png",
        "src_imgs/lady_liberty.png",
        "dst_imgs/AWGN/1600.AWGN.1.png",
        "dst_imgs/jpeg2000/1600.jpeg2000.3.png",
        "dst_imgs/BLUR/lady_liberty.BLUR.5.png",
    ):
        picture(tmp_path / name)
    return tmp_path


CSIQ_ITEMS = [
    ("1600", "AWGN", "noise", 1, 0.062),
    ("1600", "jpeg2000", "jpeg 2000", 3, 0.5),
    ("lady_liberty", "BLUR", "blur", 5, 0.9),
]


@pytest.fixture
def live(tmp_path):
    """All 982 entries, of which all but three are marked as originals, so that few images are
    needed.
    """
    base = tmp_path / "databaserelease2"
    originals, scores = np.ones((1, 982), np.uint8), np.zeros((1, 982))
    for index, score, name in (
        (0, 15.5, "jp2k/img1.bmp"),
        (227, 60.0, "jpeg/img1.bmp"),
        (981, 34.0, "fastfading/img174.bmp"),
    ):
        originals[0, index], scores[0, index] = 0, score
        picture(base / name)
    for name in ("wn", "gblur"):
        (base / name).mkdir()
    picture(base / "refimgs" / "bikes.bmp")
    picture(base / "refimgs" / "sailing4.bmp")
    names = np.array([["bikes.bmp"] * 981 + ["sailing4.bmp"]], dtype=object)
    savemat(base / "refnames_all.mat", {"refnames_all": names})
    savemat(base / "dmos.mat", {"dmos": scores, "orgs": originals})
    return base


@pytest.fixture
def bapps(tmp_path):
    for kind, preference in (("traditional", 0.2), ("cnn", 1.0)):
        base = tmp_path / "dataset" / "2afc" / "val" / kind
        for part in ("ref", "p0", "p1"):
            picture(base / part / "000000.png")
        (base / "judge").mkdir()
        np.save(base / "judge" / "000000.npy", np.array([preference], np.float32))
        (base / "judge" / "._000000.npy").write_bytes(b"left by macOS")
    base = tmp_path / "dataset" / "jnd" / "val" / "cnn"
    for part in ("p0", "p1"):
        picture(base / part / "000007.png")
    (base / "same").mkdir()
    np.save(base / "same" / "000007.npy", np.array([2 / 3], np.float32))
    return tmp_path


def test_tid(tid):
    opinions = datasets.load_opinions("tid2013", tid)
    assert opinions.name == "tid2013" and opinions.higher_is_better
    assert [(i.kind, i.level, i.opinion) for i in opinions.items] == [
        ("additive Gaussian noise", 1, 5.5),
        ("sparse sampling and reconstruction", 5, 2.25),
        ("Gaussian blur", 3, 4.0),
    ]
    assert [i.reference.name for i in opinions.items] == ["I01.BMP", "I01.BMP", "i02.bmp"]
    assert all(i.reference.is_file() and i.image.is_file() for i in opinions.items)


def test_tid_with_pngs_one_folder_deeper(tid, tmp_path_factory):
    out = tmp_path_factory.mktemp("deeper")
    shutil.copytree(tid, out / "tid")
    for path in (*(out / "tid").glob("*_images/*"),):
        path.rename(path.with_suffix(".png"))
    assert {i.image.suffix for i in datasets.load_opinions("tid2013", out).items} == {".png"}


def test_tid2008_has_17_kinds(tid):
    with pytest.raises(RatingsError, match=r"mos_with_names\.txt, line 2: .*i01_24_5"):
        datasets.load_opinions("tid2008", tid)
    (tid / "mos_with_names.txt").write_text("4.0 i02_08_3.bmp\n")
    assert datasets.load_opinions("tid2008", tid).items[0].kind == "Gaussian blur"


@pytest.mark.parametrize(
    "line",
    [
        "5.5",
        "5.5 i01_01_1",
        "5.5 i01_00_1.bmp",
        "5.5 i01_25_1.bmp",
        "i01_01_1.bmp 5.5",
        "nan I01_01_1.bmp",
        "inf i01_01_1.bmp",
        "5,5 i01_01_1.bmp",
        "5.5 i01_01_2.bmp",
        "5.5 i03_01_1.bmp",
    ],
)
def test_tid_lines_that_are_not_right(tid, line):
    (tid / "mos_with_names.txt").write_text(f"5.5 i01_01_1.bmp\n{line}\n")
    with pytest.raises(RatingsError, match=r"mos_with_names\.txt, line 2: ") as error:
        datasets.load_opinions("tid2013", tid)
    assert "\n" not in str(error.value)


def test_missing_images_are_named(tid):
    (tid / "distorted_images" / "i02_08_3.bmp").unlink()
    with pytest.raises(RatingsError, match=r"line 3: .*I02_08_3\.bmp is missing"):
        datasets.load_opinions("tid2013", tid)
    (tid / "reference_images" / "I01.BMP").unlink()
    with pytest.raises(RatingsError, match=r"line 1: .*I01\.bmp is missing"):
        datasets.load_opinions("tid2013", tid)


def test_missing_folders_and_lists(tid):
    with pytest.raises(RatingsError, match="nowhere cannot be read: no such file"):
        datasets.load_opinions("tid2013", tid / "nowhere")
    with pytest.raises(RatingsError, match=r"no dmos\.csv"):
        datasets.load_opinions("kadid-10k", tid)
    (tid / "mos_with_names.txt").write_text("")
    with pytest.raises(RatingsError, match="no ratings there"):
        datasets.load_opinions("tid2013", tid)
    (tid / "mos_with_names.txt").write_bytes(b"\xff\xfe\xff")
    with pytest.raises(RatingsError, match="is not text"):
        datasets.load_opinions("tid2013", tid)
    (tid / "mos_with_names.txt").unlink()
    with pytest.raises(RatingsError, match=r"has no mos_with_names\.txt"):
        datasets.load_opinions("tid2013", tid)


def test_unknown_set(tmp_path):
    with pytest.raises(RatingsError, match=r"'tid2012'.*did you mean 'tid20"):
        datasets.load_opinions("tid2012", tmp_path)


def test_kadid(kadid):
    opinions = datasets.load_opinions("kadid-10k", kadid)
    assert opinions.higher_is_better
    assert [
        (i.reference.name, i.image.name, i.kind, i.level, i.opinion) for i in opinions.items
    ] == [
        ("I01.png", "I01_01_01.png", "Gaussian blur", 1, 4.57),
        ("I01.png", "I01_25_05.png", "contrast change", 5, 1.2),
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "columns"),
        ("image,score\na,1\n", "line 1: the columns"),
        ("I01_01_01.png,I01.png,\n", "line 2: '' is not a score"),
        ("I01_26_01.png,I01.png,3\n", "line 2: 'I01_26"),
        ("I01_01_01.png\n", "line 2: 'I01_01_01"),
        ("I01_01_01.png,I01.png,NaN\n", "line 2: 'NaN'"),
        ("I01_01_02.png,I01.png,3\n", r"line 2: .*I01_01_02\.png is missing"),
    ],
)
def test_kadid_tables_that_are_not_right(kadid, text, message):
    header = "dist_img,ref_img,dmos,var\n" if message.startswith("line 2") else ""
    (kadid / "kadid10k" / "dmos.csv").write_text(header + text)
    with pytest.raises(RatingsError, match=message):
        datasets.load_opinions("kadid-10k", kadid)


def check_csiq(folder):
    opinions = datasets.load_opinions("csiq", folder)
    assert not opinions.higher_is_better
    assert [(i.reference.stem, i.level, i.opinion) for i in opinions.items] == [
        (n, level, s) for n, _, _, level, s in CSIQ_ITEMS
    ]
    assert [i.kind for i in opinions.items] == [
        "additive Gaussian noise",
        "JPEG 2000",
        "Gaussian blur",
    ]
    assert [i.image.name for i in opinions.items] == [
        f"{n}.{kind}.{level}.png" for n, kind, _, level, _ in CSIQ_ITEMS
    ]


def workbook(path, rows, sheet="all_by_image"):
    """An Office Open XML workbook with a first sheet to pass over; texts are shared strings, as
    Excel writes them.
    """
    space = 'xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"'
    relations = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
    texts = list(dict.fromkeys(cell for row in rows for cell in row if isinstance(cell, str)))

    def cell(value, column, number):
        place = f'r="{chr(ord("A") + column)}{number}"'
        if value is None:
            return f"<c {place}/>"
        if isinstance(value, str):
            return f'<c {place} t="s"><v>{texts.index(value)}</v></c>'
        return f"<c {place}><v>{value}</v></c>"

    body = "".join(
        f'<row r="{number}">{"".join(cell(value, column, number) for column, value in enumerate(row))}</row>'
        for number, row in enumerate(rows, 1)
    )
    with zipfile.ZipFile(path, "w") as book:
        book.writestr(
            "xl/workbook.xml",
            f'<workbook {space} xmlns:r="{relations}"><sheets><sheet name="other" r:id="rId1"/>'
            f'<sheet name="{sheet}" r:id="rId2"/></sheets></workbook>',
        )
        book.writestr(
            "xl/_rels/workbook.xml.rels",
            '<Relationships><Relationship Id="rId1" Target="worksheets/sheet1.xml"/>'
            '<Relationship Id="rId2" Target="worksheets/sheet2.xml"/></Relationships>',
        )
        book.writestr(
            "xl/worksheets/sheet2.xml",
            f"<worksheet {space}><sheetData>{body}</sheetData></worksheet>",
        )
        book.writestr(
            "xl/sharedStrings.xml",
            f"<sst {space}>{''.join(f'<si><t>{text}</t></si>' for text in texts)}</sst>",
        )


def workbook_rows():
    """As in csiq.DMOS.xlsx: remarks, titles in the fourth row from column D, 1600 a number."""
    rows = [
        ["CSIQ", "remarks"],
        [],
        [],
        [None, None, None, "image", "dst_idx", "dst_type", "dst_lev", "dmos_std", "dmos"],
    ]
    for name, _, kind, level, score in CSIQ_ITEMS:
        rows.append(
            [None, None, None, int(name) if name.isdigit() else name, 1, kind, level, 0.1, score]
        )
    return rows


def test_csiq_from_the_official_workbook(csiq):
    workbook(csiq / "csiq.DMOS.xlsx", workbook_rows())
    check_csiq(csiq)


def test_csiq_from_the_workbook_exported(csiq):
    lines = [",".join("" if cell is None else str(cell) for cell in row) for row in workbook_rows()]
    (csiq / "csiq.DMOS.csv").write_text(
        "\n".join(lines).replace("1600,", "1600.0,") + "\n,,,,,,,,\n"
    )
    check_csiq(csiq)


@pytest.mark.parametrize("suffix", ["", ".png"])
def test_csiq_from_labels(csiq, suffix):
    (csiq / "csiq_label.txt").write_text(
        "".join(f"{n}.{kind}.{level}{suffix} {s}\n" for n, kind, _, level, s in CSIQ_ITEMS)
    )
    check_csiq(csiq)


def test_csiq_from_a_table_and_from_images_in_one_folder(csiq):
    lines = [
        f"dst_imgs/{kind}/{n}.{kind}.{level}.png,{kind},{n}.png,{s}\n"
        for n, kind, _, level, s in CSIQ_ITEMS
    ]
    (csiq / "csiq.csv").write_text("distorted,type,reference,score\n" + "".join(lines))
    check_csiq(csiq)
    for path in (*(csiq / "dst_imgs").glob("*/*.png"),):
        path.rename(csiq / "dst_imgs" / path.name)
    check_csiq(csiq)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1600.AWGN.1.png\n", "line 1: '' is not a score"),
        ("1600.AWGN.1.png nan\n", "line 1: 'nan'"),
        ("name mos\n", "line 1: 'name'"),
        ("1600.fog.1 0.5\n", r"line 1: '1600\.fog\.1'"),
        ("1600.AWGN.1 0.1\n1600.AWGN.2 0.2\n", r"line 2: .*1600\.AWGN\.2\.png is missing"),
        ("image,dst_type,dst_lev,dmos\n1600,noise,1\n", "line 2: '' is not a score"),
    ],
)
def test_csiq_scores_that_are_not_right(csiq, text, message):
    with pytest.raises(RatingsError, match=r"has no scores: csiq\.DMOS\.xlsx"):
        datasets.load_opinions("csiq", csiq)
    (csiq / "csiq_label.txt").write_text(text)
    with pytest.raises(RatingsError, match=message):
        datasets.load_opinions("csiq", csiq)


def test_csiq_workbooks_that_are_not_right(csiq):
    path = csiq / "csiq.DMOS.xlsx"
    rows = workbook_rows()
    rows[4][-1] = "#REF!"
    workbook(path, rows)
    with pytest.raises(RatingsError, match=r"xlsx, row 5: '#REF!' is not a score"):
        datasets.load_opinions("csiq", csiq)
    workbook(path, workbook_rows(), sheet="another")
    with pytest.raises(RatingsError, match="no sheet all_by_image"):
        datasets.load_opinions("csiq", csiq)
    path.write_bytes(b"not a zip")
    with pytest.raises(RatingsError, match="not a workbook"):
        datasets.load_opinions("csiq", csiq)


def test_live(live):
    for folder in (live, live.parent):
        opinions = datasets.load_opinions("live", folder)
        assert not opinions.higher_is_better
        assert [
            (i.reference.name, i.image.name, i.kind, i.level, i.opinion) for i in opinions.items
        ] == [
            ("bikes.bmp", "img1.bmp", "JPEG 2000", 0, 15.5),
            ("bikes.bmp", "img1.bmp", "JPEG", 0, 60.0),
            ("sailing4.bmp", "img174.bmp", "JPEG 2000 over a fast-fading channel", 0, 34.0),
        ]
        assert [i.image.parent.name for i in opinions.items] == ["jp2k", "jpeg", "fastfading"]


def test_live_prefers_realigned_scores(live):
    originals = np.ones((1, 982), np.uint8)
    originals[0, 227] = 0
    for place in (live.parent, live):
        savemat(
            place / "dmos_realigned.mat", {"dmos_new": np.full((1, 982), 7.0), "orgs": originals}
        )
        assert [(i.kind, i.opinion) for i in datasets.load_opinions("live", live.parent).items] == [
            ("JPEG", 7.0)
        ]
        (place / "dmos_realigned.mat").unlink()


def test_live_that_is_not_right(live):
    originals = np.ones((1, 982), np.uint8)
    originals[0, 1] = 0
    savemat(live / "dmos.mat", {"dmos": np.zeros((1, 982)), "orgs": originals})
    with pytest.raises(RatingsError, match=r"dmos\.mat, entry 2: .*img2\.bmp is missing"):
        datasets.load_opinions("live", live)
    picture(live / "jp2k" / "img2.bmp")
    savemat(live / "dmos.mat", {"dmos": np.full((1, 982), np.nan), "orgs": originals})
    with pytest.raises(RatingsError, match=r"dmos\.mat, entry 2: 'nan' is not a score"):
        datasets.load_opinions("live", live)
    savemat(live / "dmos.mat", {"dmos": np.zeros((1, 981)), "orgs": originals})
    with pytest.raises(RatingsError, match="no dmos_new or dmos with 982 numbers"):
        datasets.load_opinions("live", live)
    savemat(live / "dmos.mat", {"dmos": np.zeros((1, 982))})
    with pytest.raises(RatingsError, match="no orgs with 982 numbers"):
        datasets.load_opinions("live", live)
    (live / "dmos.mat").write_bytes(b"not a mat file")
    with pytest.raises(RatingsError, match=r"dmos\.mat cannot be read"):
        datasets.load_opinions("live", live)
    (live / "dmos.mat").unlink()
    with pytest.raises(RatingsError, match="is missing"):
        datasets.load_opinions("live", live)


def test_bapps(bapps):
    for folder in (bapps, bapps / "dataset"):
        choices = datasets.load_triplets(folder)
        assert [(c.kind, c.preference) for c in choices] == [
            ("distortions by convolutional networks", 1.0),
            ("traditional distortions", pytest.approx(0.2)),
        ]
        assert [
            path.parent.name for path in (choices[0].reference, choices[0].first, choices[0].second)
        ] == ["ref", "p0", "p1"]
        (pair,) = datasets.load_pairs(folder)
        assert (pair.first.parent.name, pair.second.parent.name, pair.same) == (
            "p0",
            "p1",
            pytest.approx(2 / 3),
        )


def test_bapps_that_is_not_right(bapps):
    with pytest.raises(RatingsError, match="train is missing"):
        datasets.load_triplets(bapps, "train")
    base = bapps / "dataset" / "jnd" / "val" / "cnn"
    for value in (1.5, np.nan, [0.5, 0.5], "half"):
        np.save(base / "same" / "000007.npy", value)
        with pytest.raises(RatingsError, match=r"000007\.npy does not hold one fraction"):
            datasets.load_pairs(bapps)
    np.save(base / "same" / "000007.npy", np.array([{}], dtype=object))  # pickled: never loaded
    with pytest.raises(RatingsError, match=r"000007\.npy is not a NumPy array"):
        datasets.load_pairs(bapps)
    (base / "p1" / "000007.png").unlink()
    with pytest.raises(RatingsError, match=r"000007\.npy: .*p1.000007\.png is missing"):
        datasets.load_pairs(bapps)
    (base / "same" / "000007.npy").unlink()
    with pytest.raises(RatingsError, match="no pairs there"):
        datasets.load_pairs(bapps)
    with pytest.raises(RatingsError, match="has no 2afc"):
        datasets.load_triplets(base)


@needs_lists
def test_every_name_of_the_real_lists_is_read(tmp_path):
    """Empty files stand for the images; the lists are the published ones."""

    def touch(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()

    lines = (LISTS / "tid2013" / "mos_with_names.txt").read_text().split()
    for name in lines[1::2]:
        touch(tmp_path / "tid" / "distorted_images" / name)
    for number in range(1, 26):
        touch(tmp_path / "tid" / "reference_images" / f"I{number:02}.BMP")
    shutil.copy(LISTS / "tid2013" / "mos_with_names.txt", tmp_path / "tid")
    items = datasets.load_opinions("tid2013", tmp_path / "tid").items
    assert (
        len(items) == 3000
        and len({i.kind for i in items}) == 24
        and len({i.reference for i in items}) == 25
    )

    rows = [line.split(",") for line in (LISTS / "csiq.csv").read_text().splitlines()[1:]]
    for distorted, _, reference, _ in rows:
        touch(tmp_path / "csiq" / distorted)
        touch(tmp_path / "csiq" / "src_imgs" / reference)
    shutil.copy(LISTS / "csiq.csv", tmp_path / "csiq")
    items = datasets.load_opinions("csiq", tmp_path / "csiq").items
    assert (
        len(items) == 866
        and len({i.kind for i in items}) == 6
        and len({i.reference for i in items}) == 30
    )

    rows = [line.split(",") for line in (LISTS / "kadid_10k.csv").read_text().splitlines()[1:]]
    for distorted, _, reference, _ in rows:
        touch(tmp_path / "kadid" / "images" / distorted)
        touch(tmp_path / "kadid" / "images" / reference)
    table = [
        "dist_img,ref_img,dmos,var",
        *(f"{distorted},{reference},{score},1" for distorted, _, reference, score in rows),
    ]
    (tmp_path / "kadid" / "dmos.csv").write_text("\n".join(table))
    items = datasets.load_opinions("kadid-10k", tmp_path / "kadid").items
    assert (
        len(items) == 10125
        and len({i.kind for i in items}) == 25
        and len({i.reference for i in items}) == 81
    )
