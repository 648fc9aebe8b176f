"""What tritonclient and a REST client of TensorFlow Serving send to a release with transforms: text, and images as bytes."""
import base64, json, sys, urllib.request

import numpy as np
import tritonclient.grpc as grpc
import tritonclient.http as http

rest, grpc_address, image_file = sys.argv[1:4]
image = open(image_file, 'rb').read()
failures = 0


def check(what, good):
    global failures
    failures += not good
    print(('ok   ' if good else 'FAIL ') + what)


def texts(array):
    return [value if isinstance(value, str) else value.decode() for value in np.asarray(array).flatten()]


for name, library, address in [('HTTP', http, rest), ('gRPC', grpc, grpc_address)]:
    client = library.InferenceServerClient(address)
    metadata = client.get_model_metadata('sentiment') if library is http else client.get_model_metadata('sentiment', as_json=True)
    check(f'{name}: metadata names what clients send', [(i['name'], i['datatype']) for i in metadata['inputs']] == [('text', 'BYTES')])
    binary = [True, False] if library is http else [None]
    for each in binary:
        sentences = np.array(['This movie was terrible!', 'What a wonderful film.'], dtype=object)
        tensor = library.InferInput('text', [2], 'BYTES')
        tensor.set_data_from_numpy(sentences, binary_data=each) if library is http else tensor.set_data_from_numpy(sentences)
        result = client.infer('sentiment', [tensor])
        check(f'{name}: labels, binary={each}', texts(result.as_numpy('label')) == ['negative', 'positive'])
        check(f'{name}: scores, binary={each}', bool((result.as_numpy('score') > 0.9).all()))
    picture = library.InferInput('image', [1], 'BYTES')
    picture.set_data_from_numpy(np.array([image], dtype=object))
    check(f'{name}: an image', texts(client.infer('digit-images', [picture]).as_numpy('label'))[0] == 'seven')
    picture.set_data_from_numpy(np.array([image[:60]], dtype=object))
    try:
        client.infer('digit-images', [picture])
        check(f'{name}: half an image is refused', False)
    except Exception as error:
        check(f'{name}: half an image is refused', 'input "image"[0]' in str(error))

body = json.dumps({'instances': [{'image': {'b64': base64.b64encode(image).decode()}}]}).encode()
answer = json.load(urllib.request.urlopen(f'http://{rest}/v1/models/digit-images:predict', body))
check('TensorFlow Serving: an image in base64', answer['predictions'][0]['label'][0] == 'seven')
sys.exit(1 if failures else 0)
