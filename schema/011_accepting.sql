-- Version 11: model_totals at less cost for each clip that is done.
--
-- Nearly every attempt is accepted where none was before, so that there is nothing to take away; and one without frames or
-- shots has nothing to count (of a clip in segments, the frames are the segments' and the shots its own).

DROP TRIGGER jobs_model_totals;

CREATE TRIGGER jobs_model_totals_gain AFTER UPDATE OF accepted_id ON jobs
WHEN new.accepted_id IS NOT old.accepted_id AND new.accepted_id IS NOT NULL AND
    (EXISTS (SELECT 1 FROM frames WHERE attempt_id = new.accepted_id) OR EXISTS (SELECT 1 FROM shots WHERE attempt_id = new.accepted_id))
BEGIN
    UPDATE model_totals SET
        frames = frames + (SELECT count(*) FROM frames t WHERE t.attempt_id = new.accepted_id AND t.model = model_totals.model),
        detections = detections + (SELECT count(*) FROM detections t WHERE t.attempt_id = new.accepted_id AND t.model = model_totals.model),
        classifications = classifications + (SELECT count(*) FROM classifications t WHERE t.attempt_id = new.accepted_id AND t.model = model_totals.model),
        embeddings = embeddings + (SELECT count(*) FROM embeddings t WHERE t.attempt_id = new.accepted_id AND t.model = model_totals.model),
        shots = shots + (SELECT count(*) FROM shots t WHERE t.attempt_id = new.accepted_id AND t.model = model_totals.model),
        artifacts = artifacts + (SELECT count(*) FROM artifacts t WHERE t.attempt_id = new.accepted_id AND t.model = model_totals.model)
    WHERE pipeline_id = new.pipeline_id;
END;

CREATE TRIGGER jobs_model_totals_loss AFTER UPDATE OF accepted_id ON jobs
WHEN new.accepted_id IS NOT old.accepted_id AND old.accepted_id IS NOT NULL AND
    (EXISTS (SELECT 1 FROM frames WHERE attempt_id = old.accepted_id) OR EXISTS (SELECT 1 FROM shots WHERE attempt_id = old.accepted_id))
BEGIN
    UPDATE model_totals SET
        frames = frames - (SELECT count(*) FROM frames t WHERE t.attempt_id = old.accepted_id AND t.model = model_totals.model),
        detections = detections - (SELECT count(*) FROM detections t WHERE t.attempt_id = old.accepted_id AND t.model = model_totals.model),
        classifications = classifications - (SELECT count(*) FROM classifications t WHERE t.attempt_id = old.accepted_id AND t.model = model_totals.model),
        embeddings = embeddings - (SELECT count(*) FROM embeddings t WHERE t.attempt_id = old.accepted_id AND t.model = model_totals.model),
        shots = shots - (SELECT count(*) FROM shots t WHERE t.attempt_id = old.accepted_id AND t.model = model_totals.model),
        artifacts = artifacts - (SELECT count(*) FROM artifacts t WHERE t.attempt_id = old.accepted_id AND t.model = model_totals.model)
    WHERE pipeline_id = old.pipeline_id;
END;
