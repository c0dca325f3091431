# One line a layer. Each file is compiled for the CPU, for CUDA (in a CUDA build), and for the
# fake GPU of the tests.
set(CREMA_LAYER_SOURCES
  layers/accuracy.cpp
  layers/batch_norm.cpp
  layers/concat.cpp
  layers/convolution.cpp
  layers/data.cpp
  layers/dropout.cpp
  layers/dummy_data.cpp
  layers/eltwise.cpp
  layers/flatten.cpp
  layers/inner_product.cpp
  layers/input.cpp
  layers/lrn.cpp
  layers/pooling.cpp
  layers/relu.cpp
  layers/scale.cpp
  layers/softmax.cpp
  layers/softmax_loss.cpp
  layers/split.cpp
  # not layers, but compiled in the same way
  math/vector_ops.cpp
  solvers/sgd.cpp
)
