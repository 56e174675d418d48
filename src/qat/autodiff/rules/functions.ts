// Elementary functions of one input: powers, exponentials, trigonometry.
import type { RuleTable } from '../rule.ts';
import { oneMinus, pointwise, square } from './slopes.ts';

/** 2/√π, the slope of erf at 0. */
const ERF_SLOPE = 2 / Math.sqrt(Math.PI);

export const functionRules: RuleTable = {
  Neg: pointwise(({ b, dy }) => b.emit('Neg', [dy])),
  // PyTorch's choice at 0: no gradient.
  Abs: pointwise(({ b, x, dy }) => b.emit('Mul', [dy, b.emit('Sign', [x])])),
  Exp: pointwise(({ b, y, dy }) => b.emit('Mul', [dy, y])),
  Log: pointwise(({ b, x, dy }) => b.emit('Div', [dy, x])),
  Sqrt: pointwise(({ b, y, dy }) => b.emit('Div', [b.emit('Mul', [dy, b.scalar(0.5)]), y])),
  Reciprocal: pointwise(({ b, y, dy }) => b.emit('Neg', [b.emit('Mul', [dy, square(b, y)])])),
  Sin: pointwise(({ b, x, dy }) => b.emit('Mul', [dy, b.emit('Cos', [x])])),
  Cos: pointwise(({ b, x, dy }) => b.emit('Neg', [b.emit('Mul', [dy, b.emit('Sin', [x])])])),
  Tan: pointwise(({ b, y, dy }) => b.emit('Mul', [dy, b.emit('Add', [b.scalar(1), square(b, y)])])),
  Asin: pointwise(({ b, x, dy }) => b.emit('Div', [dy, b.emit('Sqrt', [oneMinus(b, square(b, x))])])),
  Acos: pointwise(({ b, x, dy }) => b.emit('Neg', [b.emit('Div', [dy, b.emit('Sqrt', [oneMinus(b, square(b, x))])])])),
  Atan: pointwise(({ b, x, dy }) => b.emit('Div', [dy, b.emit('Add', [b.scalar(1), square(b, x)])])),
  Sinh: pointwise(({ b, x, dy }) => b.emit('Mul', [dy, b.emit('Cosh', [x])])),
  Cosh: pointwise(({ b, x, dy }) => b.emit('Mul', [dy, b.emit('Sinh', [x])])),
  Tanh: pointwise(({ b, y, dy }) => b.emit('Mul', [dy, oneMinus(b, square(b, y))])),
  Erf: pointwise(({ b, x, dy }) => {
    const bell = b.emit('Exp', [b.emit('Neg', [square(b, x)])]);
    return b.emit('Mul', [dy, b.emit('Mul', [bell, b.scalar(ERF_SLOPE)])]);
  }),
};
