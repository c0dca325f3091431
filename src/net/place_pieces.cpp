// Offsets for pieces of memory that are not all needed at the same time. To find the best ones is
// NP-hard; the largest piece first, each into the smallest gap that it fits (Pisarchyk and Lee,
// "Efficient memory management for deep neural net inference", 2020), comes close to the least
// possible for nets.
#include <numeric>

#include "net/passes.h"

namespace crema {
namespace {

// The offset of the smallest gap between `placed`, sorted by offset, that takes `bytes`; the end
// where none does.
int64_t FindGap(const std::vector<const MemoryPiece*>& placed, int64_t bytes) {
  int64_t best = -1, best_size = 0, end = 0;
  for (const MemoryPiece* piece : placed) {
    const int64_t gap = piece->offset - end;
    if (gap >= bytes && (best < 0 || gap < best_size)) {
      best = end;
      best_size = gap;
    }
    end = std::max(end, piece->offset + piece->bytes);
  }
  return best < 0 ? end : best;
}

}  // namespace

int64_t PlacePieces(std::vector<MemoryPiece>* pieces) {
  std::vector<size_t> order(pieces->size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(),
                   [&](size_t a, size_t b) { return (*pieces)[a].bytes > (*pieces)[b].bytes; });
  std::vector<const MemoryPiece*> placed;  // sorted by offset
  int64_t total = 0;
  for (size_t index : order) {
    MemoryPiece& piece = (*pieces)[index];
    std::vector<const MemoryPiece*> neighbours;
    for (const MemoryPiece* other : placed) {
      if (other->life.Meets(piece.life)) neighbours.push_back(other);
    }
    piece.offset = FindGap(neighbours, piece.bytes);
    total = std::max(total, piece.offset + piece.bytes);
    const auto after = [&](const MemoryPiece* other) { return other->offset > piece.offset; };
    placed.insert(std::find_if(placed.begin(), placed.end(), after), &piece);
  }
  return total;
}

}  // namespace crema
