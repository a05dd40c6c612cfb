"""Qwen3-TTS (12 Hz, open weights): three networks per frame of 80 ms, many sessions at once, text fed while it speaks.

The model core, which needs only torch, safetensors and tokenizers::

    from saystream.engines.qwen3.checkpoint import load_checkpoint
    model = load_checkpoint(folder, device="cuda", dtype=torch.bfloat16)      # -> model.Qwen3Model
    model.allocate(slots=64, max_positions=2048)                              # static caches, once

    model.config                    config.Config: .kind, .size, .talker, .predictor, .codec, ids, speakers, languages
    model.tokens                    tokens.Tokens: .encode(text) -> ids; .incremental() -> IncrementalTokenizer
    model.scratch_slot              a slot that no session owns, for rows that only fill up a batch bucket

    model.text_vectors(ids)         ids [T] long -> [T, H]: text embedding and projection
    model.frame_vectors(codes)      codes [N, 16] long -> [N, H]: sum of the sixteen embeddings of each frame
    model.talker(x, slots, positions, length) -> hidden [B, T, H]
                                    x [B, T, H]; slots [B], positions [B] long (position of each row's first vector);
                                    length: Python int, the bucket: positions + T <= length <= max_positions.
                                    A row may be padded on the right: what it writes there is overwritten before it
                                    is read.
    model.talker.logits(hidden)     [..., H] -> [..., 3072]
    model.talker.codec_embedding(code)  [...] long -> [..., H]
    model.predictor(hidden, code0, choose) -> (codes [B, 16], summed [B, H])
                                    hidden [B, H] of the talker's last step, code0 [B] long as sampled from its logits;
                                    choose(logits [B, 2048], group) -> code [B], for group 1..15, on the device;
                                    summed: the sum of the sixteen embeddings, the codec side of the talker's next input
    model.codec.step(codes, slots, positions) -> samples [B, T * 1920] in -1..1 at 24 kHz
                                    codes [B, 16, T] long, T <= codec.MAX_FRAMES; positions [B]: frames so far
    model.codec.feed(codes, slot, position) -> None: reference codes [16, N], any N, audio discarded
    model.codec.reset(slot), .snapshot(slot) -> Tensor (one vector, its bytes = .nbytes), .restore(slot, snapshot)

Nothing in ``talker``, ``talker.logits``, ``predictor`` and ``codec.step`` reads a tensor on the host, branches on one
or allocates state, so each can be captured in a CUDA graph for fixed B, T and length. ``reset`` and ``restore`` are
plain copies outside it. A session that is held (it waits for text) is simply not in the batch.

A prompt (``prompt.py``)::

    builder = model.prompts                                                  # prompt.PromptBuilder
    prompt = builder.custom_voice("vivian", language="en", instruct="", layout=Layout.STREAMING)
    prompt = builder.voice_design("an old warm man", language="zh", layout=...)
    prompt = builder.clone(reference, language="en", layout=...)             # model.reference(samples, text)

    prompt.prefix     [P, H] rows that need no text
    prompt.forced     [K, H] codec sides that wait for one text vector each (K = 1 for CustomVoice, VoiceDesign and
                      x-vector; 1 + reference frames for in-context): row = forced[i] + text vector i
    prompt.text_ids   text ids before the user's (the reference's text), may be empty
    prompt.codes      [N, 16] reference codes to run through the codec first, or None
    prompt.instruct_dropped   True: an instruction was given, but this checkpoint follows none (0.6B CustomVoice)

    The text side of a streaming session is a queue: prompt.text_ids, the user's ids as they arrive, then ``eos_id``
    once the text has ended, then ``pad_id`` without end. The first K of the queue complete the prompt; each later one
    is added to one frame. With fewer than K known and the text still open, prefill what is known or wait.
    In Layout.WHOLE (all text known): ``prompt = prompt.with_text(ids)`` puts it in the prompt; then K = 0, and the
    queue is ``pad_id`` without end.
    model.pad_vector, model.eos_vector: [H], the text vectors of those two ids
    prompt.frame_limit(num_text_ids)    frames after which speech of this many text ids is cut off as a runaway
"""
