"""
Writes the golden files beside it: what the `tokenizers` package and Pillow make of texts and images. Run with both installed
(tokenizers 0.23, Pillow 13, sentencepiece, numpy) when a case is added; the tests read the files and need no Python.

    python make.py
"""
import base64, gzip, io, json, pathlib, random
import numpy as np
from PIL import Image, ImageOps
from tokenizers import Regex, Tokenizer, models, normalizers as N, pre_tokenizers as P, processors, trainers

HERE = pathlib.Path(__file__).parent
ROOT = HERE.parents[3]
DOCS = [line for f in sorted((ROOT / 'docs' / 'guides').glob('*.md')) for line in f.read_text().splitlines()]
DOCS += ['Crème brûlée à la carte, naïve façade', 'ΑΣΟΦΙΑΣ ελληνικά', '日本語の テキスト 和 漢字', '١٢٣ ४५६ ½ Ⅳ', 'Привет, мир!']

# --- text -----------------------------------------------------------------------------------------------------------
GPT4 = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
wordpiece, bpe, unknown, unigram, level = (
    lambda: models.WordPiece(unk_token='[UNK]'), lambda: models.BPE(), lambda: models.BPE(unk_token='<unk>'),
    lambda: models.Unigram(), lambda: models.WordLevel(unk_token='[UNK]'))
CASES = [
    ('bert uncased', N.BertNormalizer(), P.BertPreTokenizer(), wordpiece, 'bert'),
    ('bert cased', N.BertNormalizer(lowercase=False), P.BertPreTokenizer(), wordpiece, 'bert'),
    ('words', N.Sequence([N.NFD(), N.Lowercase(), N.StripAccents()]), P.Whitespace(), wordpiece, 'bert'),
    ('word level', N.Lowercase(), P.Whitespace(), level, 'bert'),
    ('punctuation and digits', N.NFKC(), P.Sequence([P.WhitespaceSplit(), P.Punctuation(), P.Digits(individual_digits=True)]), wordpiece, 'bert'),
    ('runs of digits', N.Sequence([N.Strip(), N.Nmt()]), P.Sequence([P.Digits(), P.WhitespaceSplit()]), wordpiece, 'bert'),
    ('merged with previous', None, P.Sequence([P.Punctuation('merged_with_previous'), P.WhitespaceSplit()]), wordpiece, 'bert'),
    ('merged with next', None, P.Split(Regex(r'\s'), 'merged_with_next'), wordpiece, 'bert'),
    ('contiguous', None, P.Sequence([P.Split(Regex(r'[.!?-]'), 'contiguous'), P.CharDelimiterSplit(' ')]), wordpiece, 'bert'),
    ('fixed length', None, P.FixedLength(3), wordpiece, 'bert'),
    ('gpt-2', None, P.ByteLevel(add_prefix_space=False), bpe, None),
    ('roberta', None, P.ByteLevel(add_prefix_space=True), bpe, 'roberta'),
    ('llama 3', None, P.Sequence([P.Split(Regex(GPT4), 'isolated'), P.ByteLevel(add_prefix_space=False, use_regex=False)]), bpe, None),
    ('llama', N.Sequence([N.Prepend('▁'), N.Replace(' ', '▁')]), None, unknown, None),
    ('t5', N.Sequence([N.NFKC(), N.Replace(Regex(' {2,}'), ' ')]), P.Metaspace(), unigram, 't5'),
    ('first metaspace', None, P.Metaspace(prepend_scheme='first', split=False), unigram, 't5'),
]


def build(normalizer, pre_tokenizer, model, post):
    t = Tokenizer(model())
    if normalizer: t.normalizer = normalizer
    if pre_tokenizer: t.pre_tokenizer = pre_tokenizer
    options = dict(vocab_size=320, show_progress=False)
    special = ['[PAD]', '[UNK]', '[CLS]', '[SEP]', '[MASK]']
    marks = ['<s>', '<pad>', '</s>', '<unk>']
    if isinstance(t.model, models.WordPiece): trainer = trainers.WordPieceTrainer(special_tokens=special, **options)
    elif isinstance(t.model, models.WordLevel): trainer = trainers.WordLevelTrainer(special_tokens=special, **options)
    elif isinstance(t.model, models.Unigram): trainer = trainers.UnigramTrainer(special_tokens=marks[1:], unk_token='<unk>', **options)
    else: trainer = trainers.BpeTrainer(special_tokens=marks, initial_alphabet=P.ByteLevel.alphabet() if model is bpe else [], **options)
    t.train_from_iterator(DOCS, trainer)
    token = lambda text: (text, t.token_to_id(text))
    if post == 'bert': t.post_processor = processors.TemplateProcessing(
        single='[CLS] $A [SEP]', pair='[CLS] $A [SEP] $B:1 [SEP]:1', special_tokens=[token('[CLS]'), token('[SEP]')])
    if post == 'roberta': t.post_processor = processors.RobertaProcessing(token('</s>'), token('<s>'))
    if post == 't5': t.post_processor = processors.TemplateProcessing(single='$A </s>', special_tokens=[token('</s>')])
    return t


RANGES = [(0x20, 0x7e)] * 8 + [(0xa0, 0x17f)] * 3 + [
    (0x370, 0x3ff), (0x400, 0x45f), (0x5d0, 0x5ea), (0x620, 0x64a), (0x904, 0x939), (0x2010, 0x2060), (0x20a0, 0x20b9), (0x2150, 0x2182),
    (0x3041, 0x30ff), (0x4e00, 0x4e80), (0xac00, 0xac80), (0x1f600, 0x1f640), (0x20000, 0x20040), (0xff01, 0xff60), (0x300, 0x36f), (1, 0x1f), (0x80, 0x9f)]
ODD = ['  ', '\n', '\t', '\r\n', '!!', '...', "don't", "I'LL", '3.14', '100,000', '[MASK]', '[UNK]', '</s>', '<unk>', 'ΑΣ', 'İstanbul', 'ǆ', 'ﬁ',
       'é', 'e\u0301', '\u00a0', '\ufeff', '\u200b', '\u3000', '▁', '_a_b', '']


def random_text(random):
    parts = []
    for _ in range(random.randint(0, 10)):
        kind = random.random()
        if kind < .45: parts.append(random.choice(random.choice(DOCS).split() or ['']))
        elif kind < .6: parts.append(random.choice(ODD))
        else: low, high = random.choice(RANGES); parts.append(''.join(chr(random.randint(low, high)) for _ in range(random.randint(1, 4))))
        if random.random() < .7: parts.append(' ')
    return ''.join(parts)


def precompiled():
    """SentencePiece's own character map, of few rules: a trie written by its trainer."""
    import sentencepiece, tempfile
    with tempfile.TemporaryDirectory() as d:
        rules = pathlib.Path(d, 'rules.tsv')
        rules.write_text('\n'.join(['FB01\t66 69', 'FF21\t41', '2026\t2E 2E 2E', '1E9E\t53 53', '65 301\tE9', '3000\t20', 'AD\t', '1F600\t3A 29']) + '\n')
        text = pathlib.Path(d, 'text.txt'); text.write_text('\n'.join(DOCS))
        sentencepiece.SentencePieceTrainer.train(input=str(text), model_prefix=d + '/m', vocab_size=320, normalization_rule_tsv=str(rules), character_coverage=0.99, minloglevel=2)
        from sentencepiece import sentencepiece_model_pb2 as pb
        model = pb.ModelProto(); model.ParseFromString(pathlib.Path(d, 'm.model').read_bytes())
        return model.normalizer_spec.precompiled_charsmap


def text():
    source = random.Random(20)
    texts = [random_text(source) for _ in range(150)] + ['', ' ', 'This movie was terrible!']
    cases = []
    charsmap = precompiled()
    for name, *parts in CASES + [('sentencepiece', N.Precompiled(charsmap), P.Metaspace(), unigram, 't5')]:
        tokenizer = build(*parts)
        ids = [tokenizer.encode(t).ids for t in texts]
        tokenizer.enable_truncation(8)
        cut = [tokenizer.encode(t).ids for t in texts]
        tokenizer.no_truncation()
        cases.append({'name': name, 'tokenizer': json.loads(tokenizer.to_str()), 'ids': ids, 'cut': cut})
    write('text.json.gz', {'texts': texts, 'cases': cases})


# --- images ---------------------------------------------------------------------------------------------------------
FILTERS = dict(nearest=0, lanczos=1, bilinear=2, bicubic=3)


def encoded(image, format, **options):
    buffer = io.BytesIO(); image.save(buffer, format, **options)
    return base64.b64encode(buffer.getvalue()).decode()


def pixels(image):
    return {'height': image.height, 'width': image.width, 'channels': len(image.getbands()),
            'data': base64.b64encode(np.asarray(image).astype(np.uint8).tobytes()).decode()}


def images():
    y, x = np.mgrid[0:37, 0:53]
    noise = np.random.default_rng(3).integers(-10, 10, (37, 53, 3))
    rgb = np.clip(np.stack([x * 5 % 256, y * 7 % 256, (x + y) * 3 % 256], -1) + noise, 0, 255).astype(np.uint8)
    im = Image.fromarray(rgb)
    alpha = Image.fromarray((x * 4 % 256).astype(np.uint8))
    rgba = im.copy(); rgba.putalpha(alpha)
    turned = im.getexif(); turned[0x0112] = 6
    files = {
        'RGB PNG': encoded(im, 'PNG'), 'JPEG': encoded(im, 'JPEG', quality=90), 'JPEG 4:2:0': encoded(im, 'JPEG', quality=75, subsampling=2),
        'progressive JPEG': encoded(im, 'JPEG', progressive=True), 'lossless WebP': encoded(im, 'WEBP', lossless=True), 'lossy WebP': encoded(im, 'WEBP'),
        '24-bit BMP': encoded(im, 'BMP'), 'gray PNG': encoded(im.convert('L'), 'PNG'), 'gray JPEG': encoded(im.convert('L'), 'JPEG'), 'gray BMP': encoded(im.convert('L'), 'BMP'),
        'CMYK JPEG': encoded(im.convert('CMYK'), 'JPEG', quality=95), 'PNG with alpha': encoded(rgba, 'PNG'), 'WebP with alpha': encoded(rgba, 'WEBP', lossless=True),
        '32-bit BMP': encoded(rgba, 'BMP'), 'gray PNG with alpha': encoded(Image.merge('LA', (im.convert('L'), alpha)), 'PNG'),
        'PNG with a palette': encoded(im.convert('P', palette=Image.ADAPTIVE, colors=60), 'PNG'), 'BMP with a palette': encoded(im.convert('P', palette=Image.ADAPTIVE, colors=60), 'BMP'),
        '1-bit PNG': encoded(im.convert('1'), 'PNG'), '1-bit BMP': encoded(im.convert('1'), 'BMP'), 'one pixel': encoded(Image.new('RGB', (1, 1), (10, 20, 30)), 'PNG'),
        'JPEG turned by EXIF': encoded(im, 'JPEG', quality=95, exif=turned),
        'animated WebP': encoded(im, 'WEBP', save_all=True, append_images=[im.rotate(90)], lossless=True, duration=100),
    }
    decoded = []
    for name, file in files.items():
        opened = ImageOps.exif_transpose(Image.open(io.BytesIO(base64.b64decode(file))))
        decoded.append({'name': name, 'file': file, 'rgb': pixels(opened.convert('RGB')), 'gray': pixels(opened.convert('RGB').convert('L'))})
    resized = []
    for name, code in FILTERS.items():
        for h, w in [(20, 30), (37, 20), (60, 53), (70, 90), (7, 5), (1, 1), (36, 53)]:
            resized.append({'filter': name, 'fit': 'stretch', 'size': [h, w], **pixels(im.resize((w, h), code))})
        for h, w in [(24, 24), (40, 20), (20, 50)]:
            cover = ImageOps.cover(im, (w, h), code)
            top, left = round((cover.height - h) / 2.0), round((cover.width - w) / 2.0)
            resized.append({'filter': name, 'fit': 'cover', 'size': [h, w], **pixels(cover.crop((left, top, left + w, top + h)))})
            resized.append({'filter': name, 'fit': 'contain', 'size': [h, w], **pixels(ImageOps.pad(im, (w, h), code))})
        resized.append({'filter': name, 'fit': 'stretch', 'size': 25, **pixels(im.resize((int(25 * 53 / 37), 25), code))})
    sixteen = encoded(Image.fromarray(rgb[..., 0].astype(np.uint16) * 257), 'PNG')
    write('images.json.gz', {'decoded': decoded, 'resized': resized, 'sixteen': {'file': sixteen, 'gray': pixels(Image.fromarray(rgb[..., 0]))}})


def write(name, value):
    (HERE / name).write_bytes(gzip.compress(json.dumps(value, ensure_ascii=False).encode(), 9, mtime=0))


text()
images()
