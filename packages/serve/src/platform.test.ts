import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { findModels, platformOf } from './platform.ts';

describe('SageMaker', () => {
  it('says port, batch parameters and where the model is', () => {
    expect(platformOf('sagemaker', {})).toMatchObject({
      host: '0.0.0.0',
      port: 8080,
      modelPath: '/opt/ml/model',
      multiModelRoot: null,
      batch: { MaxConcurrentTransforms: 8, BatchStrategy: 'MULTI_RECORD', MaxPayloadInMB: 6 },
    });
    const env = { SAGEMAKER_BIND_TO_PORT: '9000', SAGEMAKER_MULTI_MODEL: 'true', SAGEMAKER_MAX_PAYLOAD_IN_MB: '20' };
    expect(platformOf('sagemaker', env)).toMatchObject({
      port: 9000,
      modelPath: null,
      multiModelRoot: '/opt/ml/models',
      batch: { MaxPayloadInMB: 20 },
    });
  });
  it.each(['70000', '-1', 'http', '8080;'])('refuses the port %s', (value) => {
    expect(() => platformOf('sagemaker', { SAGEMAKER_BIND_TO_PORT: value })).toThrow('SAGEMAKER_BIND_TO_PORT');
  });
});

describe('Vertex AI', () => {
  it('names the routes, or the ids they are made of', () => {
    expect(
      platformOf('vertex', { AIP_HEALTH_ROUTE: '/h', AIP_PREDICT_ROUTE: '/p', AIP_HTTP_PORT: '7080' }),
    ).toMatchObject({
      port: 7080,
      healthRoute: '/h',
      predictRoute: '/p',
    });
    expect(platformOf('vertex', { AIP_ENDPOINT_ID: '1', AIP_DEPLOYED_MODEL_ID: '2' })).toMatchObject({
      healthRoute: '/v1/endpoints/1/deployedModels/2',
      predictRoute: '/v1/endpoints/1/deployedModels/2:predict',
    });
  });
  it('does not fetch a bucket', () => {
    expect(() => platformOf('vertex', { AIP_STORAGE_URI: 'gs://bucket/model' })).toThrow(
      /gs:\/\/bucket\/model.*--model/,
    );
  });
});

it('Azure Machine Learning says where the model is', () => {
  expect(platformOf('azureml', { AZUREML_MODEL_DIR: '/var/azureml-app/azureml-models/m/1' })).toMatchObject({
    port: 5001,
    modelPath: '/var/azureml-app/azureml-models/m/1',
  });
});

describe('what a platform unpacked', () => {
  const root = mkdtempSync(path.join(tmpdir(), 'slipway-platform-'));
  afterAll(() => rmSync(root, { recursive: true, force: true }));
  const tree = (name: string, files: readonly string[]): string => {
    const at = path.join(root, name);
    for (const file of files) {
      mkdirSync(path.dirname(path.join(at, file)), { recursive: true });
      writeFileSync(path.join(at, file), '');
    }
    return at;
  };
  it.each([
    ['a file', ['net.onnx', 'net.onnx.data'], 'net.onnx'],
    ['a release', ['slipway.json', 'model.onnx'], ''],
    ['numbered versions', ['1/model.onnx', '2/model.onnx'], ''],
    ['a release in a folder', ['resnet/slipway.json', 'resnet/model.onnx'], 'resnet'],
  ])('is %s', (name, files, expected) => {
    const at = tree(name, files);
    expect(findModels(at)).toEqual({ models: [{ name: 'model', path: path.join(at, expected) }] });
  });
  it('is a directory per model', () => {
    const at = tree('many', ['a/1/model.onnx', 'b/1/model.onnx']);
    expect(findModels(at)).toEqual({ repository: at });
  });
  it.each([
    ['nothing', ['README.md'], 'nothing that could be a model'],
    ['two files', ['a.onnx', 'b.onnx'], '2 .onnx files'],
  ])('cannot be %s', (name, files, problem) => {
    expect(() => findModels(tree(`bad ${name}`, files))).toThrow(problem);
  });
  it('is not there', () => {
    expect(() => findModels(path.join(root, 'absent'))).toThrow('no such file');
  });
});
