/** Every metric against the tool that defines it, over random rows, where that tool is installed. */
import { type MetricSpec, randomStream, tensor } from '@slipway/core';
import { describe, expect, it } from 'vitest';
import { referencePython, runPython } from '../../testing/reference-python.ts';
import { detections } from '../testing/detections.ts';
import { measureMetric, type Rows } from '../testing/measure.ts';

const sklearn = referencePython('sklearn');
const texts = referencePython('sacrebleu, rouge_score');
const coco = referencePython('pycocotools');

const ROWS = 200;
const CLASSES = 5;

/** Scores in steps, so that there are ties, and labels that are right more often than not. */
function classified(seed: number) {
  const random = randomStream(seed);
  const labels = Array.from({ length: ROWS }, () => Math.floor(random() * CLASSES * 0.999));
  const logits = labels.map((label) =>
    Array.from({ length: CLASSES }, (_, i) => Math.round((random() * 4 + (i === label ? 1.5 : 0)) * 8) / 8),
  );
  return { labels, logits };
}

const SKLEARN = `
import json, sys, warnings
import numpy as np
from sklearn.metrics import *
warnings.filterwarnings('ignore')
d = json.load(sys.stdin)
y, z = np.array(d['labels']), np.array(d['logits'])
p = np.exp(z - z.max(1, keepdims=True)); p /= p.sum(1, keepdims=True)
best = z.argmax(1)
b, s = (y == 1).astype(int), z[:, 1]
one = np.eye(z.shape[1])[y]
answers = {'accuracy': accuracy_score(y, best), 'log-loss': log_loss(y, p), 'perplexity': float(np.exp(log_loss(y, p)))}
for average in ['macro', 'micro', 'weighted']:
    answers['precision-' + average] = precision_score(y, best, average=average)
    answers['recall-' + average] = recall_score(y, best, average=average)
    answers['f1-' + average] = f1_score(y, best, average=average)
for average in ['macro', 'weighted']:
    answers['roc-' + average] = roc_auc_score(y, p, multi_class='ovr', average=average)
    answers['pr-' + average] = average_precision_score(one, p, average=average)
answers['roc-binary'] = roc_auc_score(b, s)
answers['pr-binary'] = average_precision_score(b, s)
answers['mae'] = mean_absolute_error(z, p)
answers['rmse'] = root_mean_squared_error(z, p)
answers['r2'] = r2_score(z, p)
answers['iou'] = jaccard_score(y, best, average='macro')
print(json.dumps(answers))
`;

describe.skipIf(sklearn === null)('scikit-learn (needs SLIPWAY_REFERENCE_PYTHON with sklearn)', () => {
  it.each([1, 2, 3])('agrees on random rows, seed %i', async (seed) => {
    const { labels, logits } = classified(seed);
    const answers = runPython(sklearn ?? '', SKLEARN, { labels, logits }) as Record<string, number>;
    const y = tensor('float64', [ROWS, CLASSES], Float64Array.from(logits.flat()));
    const expected = tensor('int64', [ROWS], BigInt64Array.from(labels, BigInt));
    const compare = async (key: string, spec: MetricSpec, given: Rows): Promise<void> => {
      expect((await measureMetric(spec, { ...given, perCall: 64 })).value, key).toBeCloseTo(answers[key]!, 9);
    };
    const rows = { outputs: { y }, labels: expected };
    for (const metric of ['accuracy', 'log-loss', 'perplexity'] as const) await compare(metric, { metric }, rows);
    for (const metric of ['precision', 'recall', 'f1'] as const) {
      for (const average of ['macro', 'micro', 'weighted'] as const) {
        await compare(`${metric}-${average}`, { metric, average }, rows);
      }
    }
    for (const average of ['macro', 'weighted'] as const) {
      await compare(`roc-${average}`, { metric: 'roc-auc', average, scores: 'logits' }, rows);
      await compare(`pr-${average}`, { metric: 'pr-auc', average, scores: 'logits' }, rows);
    }
    const second = tensor('float64', [ROWS], Float64Array.from(logits.map((row) => row[1]!)));
    const isOne = tensor(
      'int64',
      [ROWS],
      BigInt64Array.from(labels, (label) => (label === 1 ? 1n : 0n)),
    );
    await compare('roc-binary', { metric: 'roc-auc' }, { outputs: { second }, labels: isOne });
    await compare('pr-binary', { metric: 'pr-auc' }, { outputs: { second }, labels: isOne });
    const probabilities = logits.map((row) => {
      const sum = row.reduce((all, value) => all + Math.exp(value), 0);
      return row.map((value) => Math.exp(value) / sum);
    });
    const p = tensor('float64', [ROWS, CLASSES], Float64Array.from(probabilities.flat()));
    for (const metric of ['mae', 'rmse', 'r2'] as const) {
      await compare(metric, { metric }, { outputs: { p }, labels: y });
    }
    const pixels = { outputs: { y: tensor('float64', [ROWS, CLASSES, 1], y.data as Float64Array) }, labels: expected };
    await compare('iou', { metric: 'iou' }, pixels);
  });
});

const TEXTS = `
import json, sys
import numpy, sacrebleu
from rouge_score import rouge_scorer
d = json.load(sys.stdin)
scorer = rouge_scorer.RougeScorer(['rouge1', 'rouge2', 'rougeL'])
scores = [scorer.score(r, a) for a, r in zip(d['answers'], d['references'])]
mean = lambda k: float(numpy.mean([s[k].fmeasure for s in scores]))
print(json.dumps({'bleu': sacrebleu.corpus_bleu(d['answers'], [d['references']]).score / 100,
  'rouge-1': mean('rouge1'), 'rouge-2': mean('rouge2'), 'rouge-l': mean('rougeL')}))
`;

describe.skipIf(texts === null)('sacreBLEU and rouge_score (need SLIPWAY_REFERENCE_PYTHON with both)', () => {
  it.each([1, 2, 3])('agree on random texts, seed %i', async (seed) => {
    const random = randomStream(seed);
    const words = [
      'The',
      'cat,',
      'sat',
      "isn't",
      '3.5',
      'U.S.',
      'on',
      'mat.',
      '(two)',
      'a-b',
      '1,000',
      'x/y',
      '"q"',
      '$5',
      'ünt',
    ];
    const pick = (): string => words[Math.floor(random() * words.length)] ?? '';
    const references = Array.from({ length: 30 }, () => Array.from({ length: 4 + Math.floor(random() * 12) }, pick));
    const answers = references.map((line) =>
      line.flatMap((word) => (random() < 0.2 ? [pick()] : random() < 0.1 ? [] : [word])),
    );
    const lines = (all: string[][]): string[] => all.map((line) => line.join(' '));
    const [a, r] = [lines(answers), lines(references)];
    const expected = runPython(texts ?? '', TEXTS, { answers: a, references: r }) as Record<string, number>;
    for (const metric of ['bleu', 'rouge-1', 'rouge-2', 'rouge-l'] as const) {
      const given = { outputs: { y: tensor('string', [30], a) }, labels: tensor('string', [30], r) };
      expect((await measureMetric({ metric }, given)).value, metric).toBeCloseTo(expected[metric]!, 9);
    }
  });
});

const COCO = `
import contextlib, io, json, sys
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval
d = json.load(sys.stdin)
box = lambda x1, y1, x2, y2: [x1, y1, x2 - x1, y2 - y1]
truth = [(i + 1, b) for i, row in enumerate(d['truth']) for b in row]
annotations = [dict(id=k + 1, image_id=i, category_id=int(b[0]) + 1, bbox=box(*b[1:]), area=(b[3] - b[1]) * (b[4] - b[2]), iscrowd=0)
  for k, (i, b) in enumerate(truth)]
found = [dict(image_id=i + 1, category_id=int(b[0]) + 1, bbox=box(*b[2:]), score=b[1])
  for i, row in enumerate(d['found']) for b in row if b[0] >= 0]
with contextlib.redirect_stdout(io.StringIO()):
    g = COCO()
    g.dataset = dict(images=[{'id': i + 1} for i in range(len(d['truth']))], annotations=annotations,
      categories=[{'id': i + 1} for i in range(3)])
    g.createIndex()
    e = COCOeval(g, g.loadRes(found), 'bbox'); e.evaluate(); e.accumulate(); e.summarize()
print(json.dumps([float(e.stats[0]), float(e.stats[1]), float(e.stats[2])]))
`;

describe.skipIf(coco === null)('pycocotools (needs SLIPWAY_REFERENCE_PYTHON with pycocotools)', () => {
  it.each([1, 2, 3, 4, 5])('agrees on random detections, seed %i', async (seed) => {
    const { truth, found, outputs, labels } = detections(seed);
    const [all, half, strict] = runPython(coco ?? '', COCO, { truth, found }) as [number, number, number];
    const map = { metric: 'map', boxes: 'boxes', scores: 'scores', classes: 'classes' } as const;
    expect((await measureMetric(map, { outputs, labels })).value).toBeCloseTo(all, 9);
    expect((await measureMetric({ ...map, iou: 0.5 }, { outputs, labels })).value).toBeCloseTo(half, 9);
    expect((await measureMetric({ ...map, iou: 0.75 }, { outputs, labels })).value).toBeCloseTo(strict, 9);
  });
});
