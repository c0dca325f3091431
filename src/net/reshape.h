// Other shapes for a graph that is compiled already.
#pragma once

#include <vector>

#include "crema/dev/graph.h"

namespace crema {

// The shapes of all blobs, by their index.
std::vector<Shape> ShapesOf(const Graph& graph);

// Whether it is the top of an Input layer, whose shape the user may choose.
bool IsInput(const Graph& graph, int blob);

// Gives the inputs their shapes of `shapes`, which are by blob, and infers all others, with slices
// that suit them. Throws Error if a layer does not take the new shapes; the graph has then some of
// both, until it is called with those of before.
void InferShapesFor(const std::vector<Shape>& shapes, Graph* graph);

// For a layer whose tops' shapes depend on its data (LayerTraits::shapes_depend_on_data): gives the
// tops these shapes, none of more elements than its plan says, and infers those of the layers after
// it. Returns whether a shape has changed. Throws Error if a layer does not take its new shape; the
// graph is then as it was.
bool SetTopShapes(int layer, const std::vector<Shape>& shapes, Graph* graph);

}  // namespace crema
