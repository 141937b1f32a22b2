BEGIN TRANSACTION;
CREATE TABLE candidates (
	run_id INTEGER NOT NULL,
	number INTEGER NOT NULL,
	digest TEXT NOT NULL,
	program VARCHAR(64) NOT NULL,
	proposer TEXT NOT NULL,
	operator TEXT NOT NULL,
	note TEXT NOT NULL,
	created DATETIME NOT NULL,
	PRIMARY KEY (run_id, number),
	UNIQUE (run_id, digest),
	FOREIGN KEY(run_id) REFERENCES runs (id),
	FOREIGN KEY(program) REFERENCES programs (digest)
)
 WITHOUT ROWID

;
INSERT INTO "candidates" VALUES(1,0,'ast-0','01139333c0814b8f5636f7172545ebeea8e2dd16035d574ae1d18b9f8088fa80','seed','contiguous','change 0','2026-01-01 00:00:02.000000');
INSERT INTO "candidates" VALUES(1,1,'ast-1','1dc350ed7216b97a05b17f5d432ca05b28d680ab54c4d7bb3c231dad13e76bcd','operators','constant','change 1','2026-01-01 00:00:04.000000');
INSERT INTO "candidates" VALUES(1,2,'ast-2','d1ba41a22b2af1be7188849fd035fd2d632b301b64756d7153af8e89e3b8f3c9','operators','constant','change 2','2026-01-01 00:00:06.000000');
CREATE TABLE evaluations (
	id INTEGER NOT NULL,
	run_id INTEGER NOT NULL,
	number INTEGER NOT NULL,
	purpose VARCHAR(16) NOT NULL,
	split VARCHAR(16) NOT NULL,
	block INTEGER NOT NULL,
	planned DATETIME NOT NULL,
	sequence INTEGER,
	recorded DATETIME,
	outcome VARCHAR(16),
	score DOUBLE_BLOB,
	stderr DOUBLE_BLOB,
	low DOUBLE_BLOB,
	high DOUBLE_BLOB,
	seconds DOUBLE_BLOB,
	digest TEXT,
	host_id INTEGER,
	reason TEXT,
	log TEXT,
	PRIMARY KEY (id),
	FOREIGN KEY(run_id, number) REFERENCES candidates (run_id, number),
	UNIQUE (run_id, sequence),
	FOREIGN KEY(host_id) REFERENCES hosts (id)
);
INSERT INTO "evaluations" VALUES(1,1,0,'search','train',0,'2026-01-01 00:00:02.000000',0,'2026-01-01 00:00:03.000000','ok',12.0,3.53553390593273786368e-01,7.50775061912186369994e+00,1.64922493808781354118e+01,0.25,'w1',1,'','hello
');
INSERT INTO "evaluations" VALUES(2,1,1,'search','train',0,'2026-01-01 00:00:04.000000',1,'2026-01-01 00:00:05.000000','crashed',NULL,NULL,NULL,NULL,0.0,'w1',2,'ValueError: no','');
INSERT INTO "evaluations" VALUES(3,1,2,'search','train',0,'2026-01-01 00:00:06.000000',NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL);
CREATE TABLE hosts (
	id INTEGER NOT NULL,
	digest VARCHAR(64) NOT NULL,
	facts JSON NOT NULL,
	PRIMARY KEY (id),
	UNIQUE (digest)
);
INSERT INTO "hosts" VALUES(1,'95ed02d4e9dca87f505d1161c442bba38777f1d45a6055c6b3abd35520b9804d','{"machine": "here", "python": "3.11"}');
INSERT INTO "hosts" VALUES(2,'44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a','{}');
CREATE TABLE lineage (
	run_id INTEGER NOT NULL,
	child INTEGER NOT NULL,
	position INTEGER NOT NULL,
	parent INTEGER NOT NULL,
	PRIMARY KEY (run_id, child, position),
	FOREIGN KEY(run_id, child) REFERENCES candidates (run_id, number),
	FOREIGN KEY(run_id, parent) REFERENCES candidates (run_id, number)
)
 WITHOUT ROWID

;
INSERT INTO "lineage" VALUES(1,1,0,0);
INSERT INTO "lineage" VALUES(1,2,1,0);
INSERT INTO "lineage" VALUES(1,2,0,1);
CREATE TABLE metrics (
	evaluation_id INTEGER NOT NULL,
	name TEXT NOT NULL,
	value DOUBLE_BLOB NOT NULL,
	PRIMARY KEY (evaluation_id, name),
	FOREIGN KEY(evaluation_id) REFERENCES evaluations (id)
)
 WITHOUT ROWID

;
INSERT INTO "metrics" VALUES(1,'balance',3.4285714285714283811e+00);
INSERT INTO "metrics" VALUES(1,'moved',0.0);
CREATE TABLE outcome_counts (
	run_id INTEGER NOT NULL,
	purpose VARCHAR(16) NOT NULL,
	outcome VARCHAR(16) NOT NULL,
	total INTEGER NOT NULL,
	PRIMARY KEY (run_id, purpose, outcome),
	FOREIGN KEY(run_id) REFERENCES runs (id)
)
 WITHOUT ROWID

;
INSERT INTO "outcome_counts" VALUES(1,'search','crashed',1);
INSERT INTO "outcome_counts" VALUES(1,'search','ok',1);
CREATE TABLE programs (
	digest VARCHAR(64) NOT NULL,
	source TEXT NOT NULL,
	PRIMARY KEY (digest)
);
INSERT INTO "programs" VALUES('01139333c0814b8f5636f7172545ebeea8e2dd16035d574ae1d18b9f8088fa80','def plan():
    return 0
');
INSERT INTO "programs" VALUES('1dc350ed7216b97a05b17f5d432ca05b28d680ab54c4d7bb3c231dad13e76bcd','def plan():
    return 1
');
INSERT INTO "programs" VALUES('d1ba41a22b2af1be7188849fd035fd2d632b301b64756d7153af8e89e3b8f3c9','def plan():
    return 2
');
CREATE TABLE runs (
	id INTEGER NOT NULL,
	name TEXT NOT NULL,
	problem TEXT NOT NULL,
	digest TEXT NOT NULL,
	config JSON NOT NULL,
	secret BLOB NOT NULL,
	status VARCHAR(16) NOT NULL,
	created DATETIME NOT NULL,
	finished DATETIME,
	elapsed_seconds DOUBLE_BLOB NOT NULL,
	candidates INTEGER NOT NULL,
	recorded INTEGER NOT NULL,
	duplicates INTEGER NOT NULL,
	unusable INTEGER NOT NULL,
	best_number INTEGER,
	best_split VARCHAR(16),
	PRIMARY KEY (id),
	UNIQUE (name)
);
INSERT INTO "runs" VALUES(1,'first','eplb','d1','{"seed": 1, "rate": 0.1}',X'00736563726574FF','running','2026-01-01 00:00:01.000000',NULL,2.25,3,2,2,0,0,'train');
CREATE TABLE samples (
	evaluation_id INTEGER NOT NULL,
	position INTEGER NOT NULL,
	workload TEXT NOT NULL,
	stratum TEXT DEFAULT '' NOT NULL,
	objective DOUBLE_BLOB NOT NULL,
	baseline DOUBLE_BLOB NOT NULL,
	reference DOUBLE_BLOB NOT NULL,
	ceiling DOUBLE_BLOB NOT NULL,
	share DOUBLE_BLOB NOT NULL,
	stderr DOUBLE_BLOB NOT NULL,
	metrics JSON NOT NULL,
	PRIMARY KEY (evaluation_id, position),
	FOREIGN KEY(evaluation_id) REFERENCES evaluations (id)
)
 WITHOUT ROWID

;
INSERT INTO "samples" VALUES(1,0,'kind0','law 0',10.1,0.1,0.7,1.0,10.0,0.5,'{"balance": 1.7285714285714286}');
INSERT INTO "samples" VALUES(1,1,'kind1','law 0',14.1,0.1,0.7,1.0,14.0,0.5,'{"balance": 2.3}');
CREATE TABLE schema_version (
	application VARCHAR(32) NOT NULL,
	version INTEGER NOT NULL,
	PRIMARY KEY (application)
);
INSERT INTO "schema_version" VALUES('evolve',2);
CREATE TABLE standings (
	run_id INTEGER NOT NULL,
	split VARCHAR(16) NOT NULL,
	number INTEGER NOT NULL,
	mean DOUBLE_BLOB NOT NULL,
	stderr DOUBLE_BLOB NOT NULL,
	n INTEGER NOT NULL,
	low DOUBLE_BLOB NOT NULL,
	high DOUBLE_BLOB NOT NULL,
	PRIMARY KEY (run_id, split, number),
	FOREIGN KEY(run_id, number) REFERENCES candidates (run_id, number)
)
 WITHOUT ROWID

;
INSERT INTO "standings" VALUES(1,'train',0,12.0,3.53553390593273786368e-01,2,7.50775061912186369994e+00,1.64922493808781354118e+01);
CREATE INDEX lineage_by_parent ON lineage (run_id, parent, child);
CREATE INDEX evaluations_by_candidate ON evaluations (run_id, number);
CREATE INDEX standings_by_mean ON standings (run_id, split, mean DESC, number);
CREATE INDEX standings_by_low ON standings (run_id, split, low DESC, number);
COMMIT;
