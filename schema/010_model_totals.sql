-- Version 10: how much each model found, counted as attempts are accepted.

CREATE TABLE model_totals (
    -- Accepted rows of each model of a pipeline, kept by a trigger: a report need not count millions of them.
    pipeline_id     INTEGER NOT NULL,
    model           INTEGER NOT NULL,   -- position in the pipeline
    frames          INTEGER NOT NULL DEFAULT 0,
    detections      INTEGER NOT NULL DEFAULT 0,
    classifications INTEGER NOT NULL DEFAULT 0,
    embeddings      INTEGER NOT NULL DEFAULT 0,
    shots           INTEGER NOT NULL DEFAULT 0,
    artifacts       INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (pipeline_id, model)
) WITHOUT ROWID;

INSERT INTO model_totals (pipeline_id, model) SELECT pipeline_id, position FROM pipeline_models;
UPDATE model_totals SET
        frames = (SELECT count(*) FROM jobs j JOIN frames t ON t.attempt_id = j.accepted_id WHERE
            j.pipeline_id = model_totals.pipeline_id AND t.model = model_totals.model),
        detections = (SELECT count(*) FROM jobs j JOIN detections t ON t.attempt_id = j.accepted_id WHERE
            j.pipeline_id = model_totals.pipeline_id AND t.model = model_totals.model),
        classifications = (SELECT count(*) FROM jobs j JOIN classifications t ON t.attempt_id = j.accepted_id WHERE
            j.pipeline_id = model_totals.pipeline_id AND t.model = model_totals.model),
        embeddings = (SELECT count(*) FROM jobs j JOIN embeddings t ON t.attempt_id = j.accepted_id WHERE
            j.pipeline_id = model_totals.pipeline_id AND t.model = model_totals.model),
        shots = (SELECT count(*) FROM jobs j JOIN shots t ON t.attempt_id = j.accepted_id WHERE
            j.pipeline_id = model_totals.pipeline_id AND t.model = model_totals.model),
        artifacts = (SELECT count(*) FROM jobs j JOIN artifacts t ON t.attempt_id = j.accepted_id WHERE
            j.pipeline_id = model_totals.pipeline_id AND t.model = model_totals.model);

CREATE TRIGGER pipeline_models_count AFTER INSERT ON pipeline_models BEGIN
    INSERT INTO model_totals (pipeline_id, model) VALUES (new.pipeline_id, new.position);
END;

-- What an attempt staged is complete when it is accepted, and is swept after it is not any more.
CREATE TRIGGER jobs_model_totals AFTER UPDATE OF accepted_id ON jobs WHEN new.accepted_id IS NOT old.accepted_id BEGIN
    UPDATE model_totals SET
        frames = frames - (SELECT count(*) FROM frames t WHERE t.attempt_id = old.accepted_id AND t.model = model_totals.model)
            + (SELECT count(*) FROM frames t WHERE t.attempt_id = new.accepted_id AND t.model = model_totals.model),
        detections = detections - (SELECT count(*) FROM detections t WHERE t.attempt_id = old.accepted_id AND t.model = model_totals.model)
            + (SELECT count(*) FROM detections t WHERE t.attempt_id = new.accepted_id AND t.model = model_totals.model),
        classifications = classifications - (SELECT count(*) FROM classifications t WHERE t.attempt_id = old.accepted_id AND t.model = model_totals.model)
            + (SELECT count(*) FROM classifications t WHERE t.attempt_id = new.accepted_id AND t.model = model_totals.model),
        embeddings = embeddings - (SELECT count(*) FROM embeddings t WHERE t.attempt_id = old.accepted_id AND t.model = model_totals.model)
            + (SELECT count(*) FROM embeddings t WHERE t.attempt_id = new.accepted_id AND t.model = model_totals.model),
        shots = shots - (SELECT count(*) FROM shots t WHERE t.attempt_id = old.accepted_id AND t.model = model_totals.model)
            + (SELECT count(*) FROM shots t WHERE t.attempt_id = new.accepted_id AND t.model = model_totals.model),
        artifacts = artifacts - (SELECT count(*) FROM artifacts t WHERE t.attempt_id = old.accepted_id AND t.model = model_totals.model)
            + (SELECT count(*) FROM artifacts t WHERE t.attempt_id = new.accepted_id AND t.model = model_totals.model)
    WHERE pipeline_id = new.pipeline_id;
END;
