// Descriptions of data sets that tests read and check against the schema.

export const streetDescription = {
  kind: 'image-folder',
  name: 'street',
  image: { width: 4, height: 2 },
  targets: {
    ground: { kind: 'mask', classes: ['road', 'grass'], map: { 3: 'road', 7: 'grass', 9: 'ignore' } },
    things: { kind: 'boxes', classes: ['car', 'dog'] },
    weather: { kind: 'class', classes: ['rain', 'sun'] },
  },
  splits: {
    train: {
      images: 'images',
      targets: {
        ground: { folder: 'masks', suffix: '_L' },
        things: { coco: 'boxes.json' },
        weather: { csv: 'weather.csv' },
      },
      groups: 'drives.csv',
    },
  },
};
export const arraysDescription = {
  kind: 'npy',
  name: 'mine',
  image: { layout: 'NHWC', scale: 1, mean: [1, 2], std: [3, 4] },
  targets: { label: { kind: 'class', classes: ['p', 'q'] }, boxes: { kind: 'boxes', classes: ['b'] } },
  splits: { train: { images: 'x.npy', targets: { label: { file: 'y.npy' }, boxes: { file: 'b.npy' } } } },
};
