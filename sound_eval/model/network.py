"""The model: net_1, net_2, song terms, and the cost. Functions of tensors, without
state and without I/O.

    P((A, B) is global) = sigmoid((net_1(A) + song_term(A)) . net_2(B))

The networks never see a pair together, so the dot product at the optimum is, up to its
sign, the pointwise mutual information of the pair (Levy & Goldberg 2014; Isola et al.
2015), linear in each factor: that is what makes sums and differences of the vectors
mean something.

In training one of the two terms of the left factor is hidden at a time, so that the
word vectors and the song terms each learn to tell the pairs apart alone. Shown
together, the song term takes over what the words of its song have in common, and
nothing but what tells neighbouring seconds apart is left to the words. And every input
comes with another, of any song, mixed in, another one as A than as B: what survives
that is coarser than what would tell each song from its kin.

Nor is every global pair unlike: some are of two songs in one style, or of one piece
that the folder holds twice. They are noise in the labels (Natarajan et al. 2013), and a
cost that takes them at their word drives kin apart, the further the longer the
training. So a pair that the model holds for alike, with local-to-global odds of o, is
taken for kin with the posterior probability q = KIN_ODDS o / (1 + KIN_ODDS o) and
pushed apart by so much the less (`global_cost`), but no more than a set share of all
global pairs is: without this limit the networks may end in calling everything kin. For
pairs that are more global than local the optimum is the same but for a constant; the
most local ones, which nothing holds back now, go further.

Conventions
-----------
`inputs` are what the networks see, (songs_per_step, run_length, dim), one run of inputs for each
song of the step (`pairs`). Networks are dicts of float32 tensors, see `state.init_network`. A
*word vector* is net_1 of an input, (dim_out,); a *song term* is what is trained of a song's
vector, which a save publishes with the mean of the song's word vectors added.
"""

import numpy as np
import tensorflow as tf

# odds that a global pair is kin where the networks find local and global equally likely
KIN_ODDS = 0.3
# its exponential is still finite in float32; beyond, the logarithm of 1 + odds is the
# log odds themselves
LARGEST_LOG_ODDS = 80.0


def encode(network, inputs):
    """Vectors (n, dim_out) of normalised inputs (n, dim)."""
    hidden = tf.nn.relu(inputs @ network["hidden_kernel"] + network["hidden_bias"])
    return hidden @ network["output_kernel"] + network["output_bias"]


def local_pairs(positions, least):
    """Mask (songs_per_step, run_length, run_length) float32 of the local pairs of each run:
    real inputs at least `least` apart.

    positions (songs_per_step, run_length): where in its song each input is, -1 for void ones;
    least (songs_per_step,).
    """
    real = positions >= 0
    distance = tf.abs(positions[:, :, None] - positions[:, None, :])
    local = (distance >= least[:, None, None]) & real[:, :, None] & real[:, None, :]
    return tf.cast(local, tf.float32)


def mixed(inputs, others, share):
    """Inputs (n, dim) with those at the rows `others` (n,) mixed in, at `share` of
    their own size, at the old variance.
    """
    return (inputs + share * tf.gather(inputs, others)) / np.sqrt(1 + share**2)


def cost(nets, song_terms, inputs, batch, mix, kin_share):
    """Mean cross-entropy of telling global from local pairs, each kind weighing one half; a scalar.

    It is ln 2 where all dot products are 0 and no kin are reckoned with. nets:
    (net_1, net_2); song_terms (songs_per_step, dim_out), one per run; batch: one step of
    `pairs.Batches`; mix: share of other inputs; kin_share: share of the global pairs
    that may be taken for kin.
    """
    songs_per_step, run_length, dim = inputs.shape
    flat = tf.reshape(inputs, [songs_per_step * run_length, dim])
    vectors = [
        encode(net, mixed(flat, others, mix) if mix else flat)
        for net, others in zip(nets, tf.unstack(batch.others), strict=True)
    ]
    words, contexts = (tf.reshape(vector, [songs_per_step, run_length, -1]) for vector in vectors)
    shown = batch.shown[:, :, None]
    left = words * shown + song_terms[:, None, :] * (1 - shown)
    real = tf.cast(batch.positions >= 0, tf.float32)
    local = local_pairs(batch.positions, batch.least)
    return 0.5 * (_local_cost(left, contexts, local) + global_cost(left, contexts, real, kin_share))


def _local_cost(left, contexts, local):
    """Mean of -log P(local) over the pairs within runs that `local` marks;
    left and contexts (songs_per_step, run_length, dim_out).
    """
    logits = tf.matmul(left, contexts, transpose_b=True)  # (songs_per_step, run_length, run_length)
    return tf.reduce_sum(tf.nn.softplus(logits) * local) / tf.maximum(tf.reduce_sum(local), 1)


def global_cost(left, contexts, real, kin_share):
    """Mean over all pairs of real inputs from different runs of -log P(global), less
    what is excused as kin.

    With o = exp(-l), the odds of local to global at the dot product l, P(global) is 1 /
    (1 + o), and the likelihood of a global label with the noise above (1 + KIN_ODDS o)
    / (1 + o): its gradient is that of a pair which is local with probability q. What
    the noise excuses is scaled down where the mean of q is above `kin_share`.
    """
    songs_per_step, run_length, dim_out = left.shape
    logits = tf.matmul(
        tf.reshape(left, [-1, dim_out]), tf.reshape(contexts, [-1, dim_out]), transpose_b=True
    )
    other = 1 - tf.repeat(tf.repeat(tf.eye(songs_per_step), run_length, 0), run_length, 1)
    weight = tf.reshape(real, [-1, 1]) * tf.reshape(real, [1, -1]) * other
    weight /= tf.maximum(tf.reduce_sum(weight), 1)
    log_odds = tf.minimum(-logits, LARGEST_LOG_ODDS)
    # one exponential serves both logarithms and q: this is the largest array of a step
    odds = tf.exp(log_odds)
    strict = tf.reduce_sum((tf.math.log1p(odds) - (logits + log_odds)) * weight)
    if not kin_share:
        return strict
    kin = tf.stop_gradient(tf.reduce_sum(KIN_ODDS * odds / (1 + KIN_ODDS * odds) * weight))
    return strict - kin_share / tf.maximum(kin, kin_share) * tf.reduce_sum(
        tf.math.log1p(KIN_ODDS * odds) * weight
    )
