// Offsets for pieces of memory that are not all needed at the same time. To find the best ones is
// NP-hard; one piece after the other, each into the smallest gap that it fits (Pisarchyk and Lee,
// "Efficient memory management for deep neural net inference", 2020), comes close to the least
// possible for nets. Which order is best depends on the net: the largest first, or the one that
// lives longest, or the one with the largest product of both.
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

// The lowest offset with which the middle of the piece is that of one in `all` and it meets none of
// `neighbours`; behind these where there is none.
int64_t FindMiddle(const std::vector<const MemoryPiece*>& all,
                   const std::vector<const MemoryPiece*>& neighbours, int64_t bytes) {
  int64_t best = -1, end = 0;
  for (const MemoryPiece* piece : neighbours) end = std::max(end, piece->offset + piece->bytes);
  const auto is_free = [&](int64_t offset) {
    return std::all_of(neighbours.begin(), neighbours.end(), [&](const MemoryPiece* piece) {
      return offset + bytes <= piece->offset || piece->offset + piece->bytes <= offset;
    });
  };
  for (const MemoryPiece* piece : all) {
    const int64_t offset = piece->offset + AlignUp((piece->bytes - bytes) / 2);
    if (offset >= 0 && (best < 0 || offset < best) && is_free(offset)) best = offset;
  }
  return best < 0 ? end : best;
}

// One after the other in this order. Returns the bytes that all take together.
int64_t PlaceInOrder(const std::vector<size_t>& order, bool by_middle,
                     std::vector<MemoryPiece>* pieces) {
  std::vector<const MemoryPiece*> placed;  // sorted by offset
  int64_t total = 0;
  for (size_t index : order) {
    MemoryPiece& piece = (*pieces)[index];
    std::vector<const MemoryPiece*> neighbours;
    for (const MemoryPiece* other : placed) {
      if (other->Meets(piece)) neighbours.push_back(other);
    }
    piece.offset =
        by_middle ? FindMiddle(placed, neighbours, piece.bytes) : FindGap(neighbours, piece.bytes);
    total = std::max(total, piece.offset + piece.bytes);
    const auto after = [&](const MemoryPiece* other) { return other->offset > piece.offset; };
    placed.insert(std::find_if(placed.begin(), placed.end(), after), &piece);
  }
  return total;
}

}  // namespace

int64_t PlacePieces(bool by_middle, std::vector<MemoryPiece>* pieces) {
  using Piece = const MemoryPiece&;
  const auto larger = [](Piece a, Piece b) { return a.bytes > b.bytes; };
  const auto steps = [](Piece p) {
    return p.life.last - p.life.first + (p.again.empty() ? 0 : p.again.last - p.again.first + 1);
  };
  const auto longer = [&](Piece a, Piece b) { return steps(a) > steps(b); };
  const auto area = [&](Piece p) { return static_cast<double>(p.bytes) * (steps(p) + 1); };
  const auto wider = [&](Piece a, Piece b) { return area(a) > area(b); };

  std::vector<size_t> order(pieces->size());
  std::iota(order.begin(), order.end(), 0);
  int64_t best = -1;
  std::vector<MemoryPiece> candidate = *pieces;
  const auto place = [&](const auto& goes_first, bool middles) {
    std::stable_sort(order.begin(), order.end(),
                     [&](size_t a, size_t b) { return goes_first((*pieces)[a], (*pieces)[b]); });
    return PlaceInOrder(order, middles, &candidate);
  };
  const auto try_order = [&](const auto& goes_first) {
    const int64_t total = place(goes_first, false);
    if (best >= 0 && total >= best) return;
    best = total;
    *pieces = candidate;
  };
  try_order(larger);
  try_order(longer);  // those of one life in the order of their sizes
  try_order(wider);
  if (!by_middle) return best;
  const int64_t total = place(larger, true);
  if (4 * total > 5 * best) return best;
  *pieces = candidate;
  return total;
}

}  // namespace crema
