BEGIN TRANSACTION;
CREATE TABLE calls (
	id INTEGER NOT NULL, 
	run_id INTEGER NOT NULL, 
	ticket INTEGER, 
	purpose TEXT NOT NULL, 
	model TEXT NOT NULL, 
	held_tokens INTEGER NOT NULL, 
	held_cost DOUBLE_BLOB, 
	begun DATETIME NOT NULL, 
	state VARCHAR(16) NOT NULL, 
	ended DATETIME, 
	answer INTEGER, 
	prompt_tokens INTEGER, 
	completion_tokens INTEGER, 
	reasoning_tokens INTEGER, 
	cached_tokens INTEGER, 
	estimated BOOLEAN, 
	cost DOUBLE_BLOB, 
	finish TEXT, 
	error TEXT, 
	PRIMARY KEY (id), 
	FOREIGN KEY(run_id) REFERENCES runs (id), 
	FOREIGN KEY(answer) REFERENCES texts (id)
);
INSERT INTO "calls" VALUES(1,2,1,'edit','m',50,0.5,'2026-01-01 00:00:08.000000','answered','2026-01-01 00:00:09.000000',2,3,4,0,0,0,0.1,'','');
CREATE TABLE candidates (
	run_id INTEGER NOT NULL, 
	number INTEGER NOT NULL, 
	digest TEXT NOT NULL, 
	program VARCHAR(64) NOT NULL, 
	proposer TEXT NOT NULL, 
	operator TEXT NOT NULL, 
	note TEXT NOT NULL, 
	created DATETIME NOT NULL, 
	ticket INTEGER, 
	PRIMARY KEY (run_id, number), 
	UNIQUE (run_id, digest), 
	FOREIGN KEY(run_id) REFERENCES runs (id), 
	FOREIGN KEY(program) REFERENCES programs (digest)
)
 WITHOUT ROWID

;
INSERT INTO "candidates" VALUES(1,0,'ast-0','01139333c0814b8f5636f7172545ebeea8e2dd16035d574ae1d18b9f8088fa80','seed','contiguous','change 0','2026-01-01 00:00:02.000000',NULL);
INSERT INTO "candidates" VALUES(1,1,'ast-1','1dc350ed7216b97a05b17f5d432ca05b28d680ab54c4d7bb3c231dad13e76bcd','operators','constant','change 1','2026-01-01 00:00:04.000000',NULL);
INSERT INTO "candidates" VALUES(1,2,'ast-2','d1ba41a22b2af1be7188849fd035fd2d632b301b64756d7153af8e89e3b8f3c9','operators','constant','change 2','2026-01-01 00:00:06.000000',NULL);
INSERT INTO "candidates" VALUES(2,0,'ast-0','01139333c0814b8f5636f7172545ebeea8e2dd16035d574ae1d18b9f8088fa80','seed','contiguous','change 0','2026-01-01 00:00:10.000000',1);
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
INSERT INTO "evaluations" VALUES(4,2,0,'search','train',0,'2026-01-01 00:00:10.000000',0,'2026-01-01 00:00:11.000000','ok',2.0,2.88675134594812865529e-01,7.57830895838520257612e-01,3.24216910416148,0.25,'w1',1,'','hello
');
INSERT INTO "evaluations" VALUES(5,2,0,'carry','train',1,'2026-01-01 00:00:12.000000',1,'2026-01-01 00:00:13.000000','ok',5.0,0.5,-1.35299999999999975841e+00,11.353,0.25,'w1',1,'','hello
');
INSERT INTO "evaluations" VALUES(6,2,0,'confirm','validation',0,'2026-01-01 00:00:14.000000',2,'2026-01-01 00:00:15.000000','ok',4.5,3.53553390593273786368e-01,0.0077506191218637,8.99224938087813541187e+00,0.5,'w1',1,'','hello
');
INSERT INTO "evaluations" VALUES(7,2,0,'final','hidden',0,'2026-01-01 00:00:16.000000',3,'2026-01-01 00:00:17.000000','ok',4.5,3.53553390593273786368e-01,0.0077506191218637,8.99224938087813541187e+00,0.25,'w1',1,'','hello
');
INSERT INTO "evaluations" VALUES(8,2,0,'carry','train',2,'2026-01-01 00:00:18.000000',NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL);
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
CREATE TABLE messages (
	call_id INTEGER NOT NULL, 
	position INTEGER NOT NULL, 
	role TEXT NOT NULL, 
	text_id INTEGER NOT NULL, 
	PRIMARY KEY (call_id, position), 
	FOREIGN KEY(call_id) REFERENCES calls (id), 
	FOREIGN KEY(text_id) REFERENCES texts (id)
)
 WITHOUT ROWID

;
INSERT INTO "messages" VALUES(1,0,'user',1);
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
INSERT INTO "metrics" VALUES(4,'balance',8.57142857142857095276e-01);
INSERT INTO "metrics" VALUES(4,'moved',0.0);
INSERT INTO "metrics" VALUES(5,'balance',7.14285714285714301574e-01);
INSERT INTO "metrics" VALUES(5,'moved',0.0);
INSERT INTO "metrics" VALUES(6,'balance',1.28571428571428580944e+00);
INSERT INTO "metrics" VALUES(6,'moved',0.0);
INSERT INTO "metrics" VALUES(7,'balance',1.28571428571428580944e+00);
INSERT INTO "metrics" VALUES(7,'moved',0.0);
CREATE TABLE notes (
	id INTEGER NOT NULL, 
	run_id INTEGER NOT NULL, 
	kind VARCHAR(16) NOT NULL, 
	text TEXT NOT NULL, 
	author TEXT NOT NULL, 
	number INTEGER, 
	created DATETIME NOT NULL, 
	PRIMARY KEY (id), 
	FOREIGN KEY(run_id, number) REFERENCES candidates (run_id, number), 
	FOREIGN KEY(run_id) REFERENCES runs (id)
);
INSERT INTO "notes" VALUES(1,2,'insights','less is more','llm:m',0,'2026-01-01 00:00:19.000000');
CREATE TABLE orders (
	run_id INTEGER NOT NULL, 
	ticket INTEGER NOT NULL, 
	asker TEXT NOT NULL, 
	parent INTEGER NOT NULL, 
	inspirations JSON NOT NULL, 
	issued DATETIME NOT NULL, 
	expires DATETIME NOT NULL, 
	times INTEGER NOT NULL, 
	state VARCHAR(16) NOT NULL, 
	number INTEGER, 
	PRIMARY KEY (run_id, ticket), 
	FOREIGN KEY(run_id, parent) REFERENCES candidates (run_id, number), 
	FOREIGN KEY(run_id, number) REFERENCES candidates (run_id, number)
);
INSERT INTO "orders" VALUES(2,2,'me',0,'[0]','2026-01-01 00:00:00.000000','2026-01-01 00:00:00.000000',1,'open',NULL);
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
INSERT INTO "outcome_counts" VALUES(2,'carry','ok',1);
INSERT INTO "outcome_counts" VALUES(2,'confirm','ok',1);
INSERT INTO "outcome_counts" VALUES(2,'final','ok',1);
INSERT INTO "outcome_counts" VALUES(2,'search','ok',1);
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
	calls INTEGER DEFAULT 0 NOT NULL, 
	tokens INTEGER DEFAULT 0 NOT NULL, 
	cost DOUBLE_BLOB DEFAULT (0.0) NOT NULL, 
	tickets INTEGER DEFAULT 0 NOT NULL, 
	PRIMARY KEY (id), 
	UNIQUE (name)
);
INSERT INTO "runs" VALUES(1,'first','eplb','d1','{"seed": 1, "rate": 0.1}',X'00736563726574FF','running','2026-01-01 00:00:01.000000',NULL,2.25,3,2,2,0,0,'train',0,0,0.0,0);
INSERT INTO "runs" VALUES(2,'second','eplb','d1','{"seed": 1, "rate": 0.1}',X'00736563726574FF','running','2026-01-01 00:00:07.000000',NULL,0.0,1,4,0,0,NULL,NULL,1,7,0.1,2);
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
INSERT INTO "samples" VALUES(4,0,'kind0','law 0',1.1,0.1,0.7,1.0,1.0,0.5,'{"balance": 0.44285714285714284}');
INSERT INTO "samples" VALUES(4,1,'kind1','law 0',2.1,0.1,0.7,1.0,2.0,0.5,'{"balance": 0.5857142857142856}');
INSERT INTO "samples" VALUES(4,2,'kind2','law 1',3.1,0.1,0.7,1.0,3.0,0.5,'{"balance": 0.7285714285714285}');
INSERT INTO "samples" VALUES(5,0,'kind0','law 0',5.1,0.1,0.7,1.0,5.0,0.5,'{"balance": 1.0142857142857142}');
INSERT INTO "samples" VALUES(6,0,'kind0','law 0',5.1,0.1,0.7,1.0,5.0,0.5,'{"balance": 1.0142857142857142}');
INSERT INTO "samples" VALUES(6,1,'kind1','law 0',4.1,0.1,0.7,1.0,4.0,0.5,'{"balance": 0.8714285714285714}');
INSERT INTO "samples" VALUES(7,0,'kind0','law 0',5.1,0.1,0.7,1.0,5.0,0.5,'{"balance": 1.0142857142857142}');
INSERT INTO "samples" VALUES(7,1,'kind1','law 0',4.1,0.1,0.7,1.0,4.0,0.5,'{"balance": 0.8714285714285714}');
CREATE TABLE schema_version (
	application VARCHAR(32) NOT NULL, 
	version INTEGER NOT NULL, 
	PRIMARY KEY (application)
);
INSERT INTO "schema_version" VALUES('evolve',3);
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
INSERT INTO "standings" VALUES(2,'hidden',0,4.5,3.53553390593273786368e-01,2,0.0077506191218637,8.99224938087813541187e+00);
INSERT INTO "standings" VALUES(2,'train',0,2.75,0.25,4,1.9545,3.5455);
INSERT INTO "standings" VALUES(2,'validation',0,4.5,3.53553390593273786368e-01,2,0.0077506191218637,8.99224938087813541187e+00);
CREATE TABLE texts (
	id INTEGER NOT NULL, 
	digest VARCHAR(64) NOT NULL, 
	text TEXT NOT NULL, 
	PRIMARY KEY (id), 
	UNIQUE (digest)
);
INSERT INTO "texts" VALUES(1,'077a099b1aee246caaccf8a5c79c09c95fc970b601a2322662f702746fbc6de8','improve it');
INSERT INTO "texts" VALUES(2,'9390298f3fb0c5b160498935d79cb139aef28e1c47358b4bbba61862b9c26e59','no');
CREATE INDEX calls_by_ticket ON calls (run_id, ticket, id);
CREATE INDEX calls_by_run ON calls (run_id, id);
CREATE INDEX calls_under_way ON calls (run_id) WHERE ended IS NULL;
CREATE INDEX lineage_by_parent ON lineage (run_id, parent, child);
CREATE INDEX evaluations_by_candidate ON evaluations (run_id, number);
CREATE INDEX standings_by_low ON standings (run_id, split, low DESC, number);
CREATE INDEX standings_by_mean ON standings (run_id, split, mean DESC, number);
CREATE INDEX notes_by_run ON notes (run_id, id);
CREATE INDEX notes_by_kind ON notes (run_id, kind, id);
CREATE INDEX orders_by_state ON orders (run_id, state, ticket);
COMMIT;
